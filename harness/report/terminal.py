"""The closing table: for every budget, what was chosen and what it costs and scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report.plain_table import plain_table
from harness.report.rows import Row
from harness.report.words import (
    UNKNOWN,
    TimeUnit,
    accuracy,
    configuration,
    count,
    flags,
    latency,
    loosest_first,
    part_of_full,
    percent,
    shared_configuration,
    time_unit,
)

_COLOURS = {
    "yes": "green",
    "borderline": "yellow",
    "no": "red",
    "noisy": "yellow",
    "throttled": "yellow",
    "failed": "red",
}
_LUXURIES = ("widths", "of full", "with bank", "whole names")
"""Details that a narrow terminal does without, the first dropped first."""

Lines = list[tuple[str, str]]
"""A cell: the figure and what stands beneath it, each with its style."""


class _Column(NamedTuple):
    heading: str
    detail: str
    cell: Callable[[Row], Lines]
    right: bool = True


def closing_tables(rows: Sequence[Row], *, width: int = 100, baselines: Mapping[str, str] | None = None) -> list[Table]:
    """Return one table per device with a line for every budget; ``width``: characters there are.

    ``baselines`` are the names of networks of other families, by arch_id: each has a line below the budgets. A budget
    that several rows answer (say in two precisions, or at two batch sizes) has several lines, and which of them loses
    least stands under the table. Target accuracy is a column where any row has it. Why a row is not ok stands under its
    table too.
    """
    names = baselines or {}
    shown = [row for row in rows if row.selected == "yes" or row.arch_id in names]
    devices = dict.fromkeys(row.device for row in shown)
    return [_fitting([row for row in shown if row.device == device], names, width) for device in devices]


def _fitting(rows: Sequence[Row], names: Mapping[str, str], width: int) -> Table:
    """Return the richest table that ``width`` holds, or the leanest there is."""
    measure = Console(width=10_000).measure
    tables = [_table(rows, names, frozenset(_LUXURIES[:dropped])) for dropped in range(len(_LUXURIES) + 1)]
    return next((table for table in tables if measure(table).maximum <= width), tables[-1])


def _table(rows: Sequence[Row], names: Mapping[str, str], without: frozenset[str]) -> Table:
    shared = shared_configuration(rows)
    table = plain_table(rows[0].device, shared, [*_reasons(rows, names), *_least_losses(rows, shared)])
    shown = _columns(rows, names, shared, without)
    for column in shown:
        lines = [(column.heading, ""), (column.detail, "dim")]
        table.add_column(_stacked(lines), justify="right" if column.right else "left", no_wrap=True)
    for budget in loosest_first({budget for row in rows for budget in row.budgets}):
        for row in (row for row in rows if budget in row.budgets):
            first, *others = (_stacked(column.cell(row)) for column in shown)
            table.add_row(Text.assemble((budget, "bold"), first), *others)
    beside = [row for row in rows if row.arch_id in names]
    if beside:
        table.add_section()
    for row in beside:
        first, *others = (_stacked(column.cell(row)) for column in shown)
        table.add_row(Text.assemble(UNKNOWN, first), *others)
    return table


def _columns(
    rows: Sequence[Row], names: Mapping[str, str], shared: Sequence[str], without: frozenset[str]
) -> list[_Column]:
    def own_configuration(row: Row) -> Lines:
        return [("", ""), (" ".join(text for text in configuration(row).values() if text not in shared), "dim")]

    def subnet(row: Row) -> Lines:
        if row.arch_id in names:
            name = names[row.arch_id]
            parts = _parts(name) if "whole names" in without else [name]
            return [*((part, "") for part in parts), (row.arch_id, "dim")]
        return [(row.arch_id, ""), (row.widths if "widths" not in without else "", "dim")]

    latencies = [row.host_p50_ms or row.predicted_ms for row in rows if row.status != "failed"]
    unit = time_unit(value for value in latencies if value)
    candidates = [
        _Column("Budget", "", own_configuration, right=False),
        _Column("Subnet", "widths" if "widths" not in without else "", subnet, right=False),
        _Column("Multiply-adds", "FLOPs", lambda row: [(count(row.macs), ""), (count(row.flops), "dim")]),
        _Column("Compute", "of full", _compute),
        _Column(f"p50, {unit.name}", "95% CI", lambda row: _latency(row, unit)),
        _Column("UPEM", "", lambda row: [(UNKNOWN if row.upem is None else f"{row.upem:.4f}", "")]),
        _Column(
            "Agreement", "with bank", lambda row: [(UNKNOWN if row.agreement is None else percent(row.agreement), "")]
        ),
        *([_Column("Accuracy", "95% CI", _accuracy)] if any(row.target_accuracy is not None for row in rows) else []),
        _Column("Within", "budget", _verdict, right=False),
    ]
    return [column for column in candidates if column.detail == "widths" or column.detail not in without]


def _parts(name: str) -> list[str]:
    """Break a name that is longer than an arch_id at the last underscore before that."""
    at = name.rfind("_", 1, 14)
    return [name[:at], name[at:]] if len(name) > 13 and at > 0 else [name]


def _compute(row: Row) -> Lines:
    return [(percent(row.compute_fraction), ""), (part_of_full(row.compute_fraction), "dim")]


def _latency(row: Row, unit: TimeUnit) -> Lines:
    figure, detail = latency(row, unit)
    return [(figure, "dim" if row.host_p50_ms is None else ""), (detail, "dim")]


def _accuracy(row: Row) -> Lines:
    figure, detail = accuracy(row)
    return [(figure, ""), (detail, "dim")]


def _verdict(row: Row) -> Lines:
    words = [row.within_budget or UNKNOWN, row.status if row.status != "ok" else ""]
    return [(word, _COLOURS.get(word, "")) for word in words]


def _least_losses(rows: Sequence[Row], shared: Sequence[str]) -> list[str]:
    """Say of every budget that several configurations answer which of them has the lowest UPEM within it.

    UPEM is that of what is deployed and a latency that of a call, a whole batch, as budgets are. Only what surely keeps
    the budget counts.
    """
    lines = []
    for budget in loosest_first({budget for row in rows for budget in row.budgets}):
        answers = [row for row in rows if budget in row.budgets]
        able = [(row.upem, row) for row in answers if row.within_budget == "yes" and row.upem is not None]
        if len(answers) > 1 and able:
            upem, best = min(able, key=lambda pair: pair[0])
            own = ", ".join(text for text in configuration(best).values() if text not in shared)
            lines.append(f"{budget}: lowest UPEM within it is {upem:.4f}, by {own}")
    return lines


def _reasons(rows: Sequence[Row], names: Mapping[str, str]) -> list[str]:
    """Say once per row why it is not as it should be."""

    def subject(row: Row) -> str:
        name = names.get(row.arch_id) or ", ".join(loosest_first(row.budgets))
        return " ".join(filter(None, [name, ", ".join(flags(row))]))

    return [f"{subject(row)}: {row.reason}" for row in rows if row.reason]


def _stacked(lines: Lines) -> Text:
    """Join a cell's lines, leaving out an empty last one."""
    while lines and not lines[-1][0]:
        lines = lines[:-1]
    return Text("\n").join(Text(text, style) for text, style in lines)
