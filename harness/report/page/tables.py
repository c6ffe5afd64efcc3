"""The selected subnets of every device as tables, which are there without a script and on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from harness.report.page.facts import Layer
from harness.report.page.points import onnx_file
from harness.report.page.widths import widths_drawing
from harness.report.rows import Row
from harness.report.words import (
    UNKNOWN,
    TimeUnit,
    accuracy,
    configuration,
    count,
    latency,
    loosest_first,
    percent,
    shared_configuration,
    time_unit,
)

_NUMBER = ' class="n"'


def subnet_tables(rows: Sequence[Row], names: Mapping[str, str], layers: Sequence[Layer]) -> str:
    """Return a heading and a table for every device; ``names`` are those of baselines, by arch_id."""
    devices = dict.fromkeys(row.device for row in rows)
    return "\n".join(_table([row for row in rows if row.device == device], names, layers) for device in devices)


def _table(rows: Sequence[Row], names: Mapping[str, str], layers: Sequence[Layer]) -> str:
    """Return one device's heading and table: every selected subnet, the costliest first, then every baseline."""
    shared = shared_configuration(rows)
    heading = f"<h2>{escape(rows[0].device)} <span>{escape(' · '.join(shared))}</span></h2>"
    chosen = sorted((row for row in rows if row.selected == "yes"), key=lambda row: -row.macs)
    chosen += sorted((row for row in rows if row.arch_id in names), key=lambda row: -row.macs)
    if not chosen:
        return f"{heading}\n<p>No subnet was selected.</p>"
    unit = time_unit(ms for row in chosen if (ms := row.host_p50_ms or row.predicted_ms))
    labelled = any(row.target_accuracy is not None for row in chosen)
    headings = ["Budget", "Subnet", "Multiply-adds", f"p50, {unit.name}", "UPEM", "Agreement"]
    headings += ["Accuracy"] * labelled + ["Within budget", "Status"]
    head = "".join(
        f'<th scope="col"{_NUMBER if 1 < i < len(headings) - 2 else ""}>{h}</th>' for i, h in enumerate(headings)
    )
    lines = "\n".join(_line(row, names.get(row.arch_id), unit, shared, labelled, layers) for row in chosen)
    return f'{heading}\n<div class="wide"><table>\n<tr>{head}</tr>\n{lines}\n</table></div>'


def _line(
    row: Row, baseline: str | None, unit: TimeUnit, shared: Sequence[str], labelled: bool, layers: Sequence[Layer]
) -> str:
    own = " ".join(text for text in configuration(row).values() if text not in shared)
    subnet = f'<a href="{onnx_file(row)}">{row.arch_id}</a>' if row.host_p50_ms or not baseline else row.arch_id
    drawing = "" if baseline else widths_drawing(row.widths, layers)
    cells = [
        _cell(baseline or ", ".join(loosest_first(row.budgets)), own),
        f"<td>{subnet}{drawing}<small>{row.widths.replace('-', '-<wbr>')}</small></td>",
        _cell(count(row.macs), f"{percent(row.compute_fraction)} of full", "n"),
        _cell(*latency(row, unit), "n"),
        _cell(UNKNOWN if row.upem is None else f"{row.upem:.4f}", "", "n"),
        _cell(UNKNOWN if row.agreement is None else percent(row.agreement), "", "n"),
        *([_cell(*accuracy(row), "n")] if labelled else []),
        _cell(row.within_budget or UNKNOWN, "", row.within_budget or ""),
        _cell(row.status, row.reason or "", row.status),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _cell(text: str, beneath: str = "", look: str = "") -> str:
    detail = f"<small>{escape(beneath)}</small>" if beneath else ""
    shown = f' class="{look}"' if look else ""
    return f"<td{shown}>{escape(text)}{detail}</td>"
