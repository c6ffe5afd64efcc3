"""A comparison as it is shown: at the terminal, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from itertools import groupby

from rich.table import Table
from rich.text import Text

from harness.comparing.lines import COLUMNS, Line
from harness.report import series_name
from harness.report.markdown import escaped, markdown_table
from harness.report.plain_table import plain_table
from harness.report.words import UNKNOWN, TimeUnit, digits, time_unit

_COLOURS = {"faster": "green", "slower": "red", "not compared": "yellow"}


def terminal_tables(lines: Sequence[Line]) -> Iterator[Table]:
    """Return a table for each pair of runs and device."""
    for group in _groups(lines):
        table = plain_table(_title(group), (), [*_notes(group)])
        for heading in _headings(group):
            figure = "p50" in heading or "after/before" in heading
            table.add_column(heading, justify="right" if figure else "left", overflow="fold")
        for line in group:
            *cells, verdict = _cells(line, _unit(group))
            table.add_row(*map(Text, cells), Text(verdict, _COLOURS.get(line.verdict, "")))
        yield table


def markdown(lines: Sequence[Line], summary: str) -> str:
    """Return the same tables as Markdown, and the summary first."""
    parts = ["# Comparison of runs\n", f"{escaped(summary)}\n"]
    for group in _groups(lines):
        parts.append(f"## {escaped(_title(group))}\n")
        parts.append(markdown_table(_headings(group), (_cells(line, _unit(group)) for line in group)))
        parts.append("".join(f"- {escaped(note)}\n" for note in _notes(group)))
    return "\n".join(parts)


def csv_text(lines: Sequence[Line]) -> str:
    """Return a line of CSV for every comparison; unknown is an empty cell, floats are exact."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_csv_cell(value) for value in astuple(line)] for line in lines)
    return text.getvalue()


def summary(lines: Sequence[Line], threshold: str) -> str:
    """Say how many comparisons ended how."""
    counts = Counter(line.verdict for line in lines)
    regressions = sum(line.regression for line in lines)
    slower = f"{counts['slower']} slower ({regressions} by more than {threshold})"
    others = [f"{counts[verdict]} {verdict}" for verdict in ("no difference", "not compared") if counts[verdict]]
    return ", ".join([f"{counts['faster']} faster", slower, *others])


def _groups(lines: Sequence[Line]) -> Iterator[list[Line]]:
    def together(line: Line) -> tuple[object, ...]:
        return line.before_run, line.after_run, line.before_device, line.after_device, line.precision, line.batch_size

    return (list(group) for _, group in groupby(lines, together))


def _title(group: Sequence[Line]) -> str:
    line = group[0]
    before, after = (
        series_name(device, line.precision, line.batch_size) for device in (line.before_device, line.after_device)
    )
    device = before if before == after else f"{before} → {after}"
    return f"{device}: {line.before_run} → {line.after_run}"


def _notes(group: Sequence[Line]) -> Iterator[str]:
    settings = dict.fromkeys((line.before_settings, line.after_settings) for line in group if line.ratio is not None)
    for before, after in settings:
        yield f"measured with {before}" if before == after else f"measured with {before} → {after}"
    basis = {line.relative_to for line in group}
    if "anchor" in basis:
        yield "ratios are of latencies relative to the full width's of the same rounds, but for its own"
    elif "nothing" in basis:
        yield "ratios are of absolute latencies, because what they were measured on or relative to is not the same"
    names = defaultdict(list)
    for line in group:
        names[line.reason].append(line.name)
    yield from (f"not compared: {', '.join(own)}: {reason}" for reason, own in names.items() if reason)


def _headings(group: Sequence[Line]) -> list[str]:
    unit = _unit(group).name
    return ["Subnet or budget", f"p50 before, {unit}", f"p50 after, {unit}", "after/before [95%]", "Verdict"]


def _cells(line: Line, unit: TimeUnit) -> list[str]:
    name = f"{line.name}: {line.before_arch_id} → {line.after_arch_id}" if line.compared == "budget" else line.name
    if line.ratio is None or line.ratio_low is None or line.ratio_high is None:
        return [name, UNKNOWN, UNKNOWN, UNKNOWN, line.verdict]
    times = [UNKNOWN if ms is None else digits(ms * unit.per_ms) for ms in (line.before_ms, line.after_ms)]
    ratio = f"{line.ratio:.3f} [{line.ratio_low:.3f}–{line.ratio_high:.3f}]"
    return [name, *times, ratio, f"{line.verdict} (regression)" if line.regression else line.verdict]


def _unit(group: Sequence[Line]) -> TimeUnit:
    return time_unit(ms for line in group for ms in (line.before_ms, line.after_ms) if ms)


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return repr(value) if isinstance(value, float) else str(value)
