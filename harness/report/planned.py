"""The table of a what-if: for every budget the subnet that is predicted to keep it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from harness.report.plain_table import plain_table
from harness.report.words import UNKNOWN, count, digits, interval, time_unit


@dataclass(frozen=True, kw_only=True)
class PlannedAnswer:
    """One budget's subnet and what it is predicted to cost: milliseconds of a call, MB, mJ of an image."""

    budget: str
    arch_id: str
    widths: str
    macs: int
    upem: float
    predicted_ms: float | None
    predicted_low_ms: float | None
    """Bounds of the interval in which 95% of measurements are expected."""
    predicted_high_ms: float | None
    interval_within: bool | None
    """Whether the whole interval keeps the latency limit; None where latency is not limited."""
    predicted_memory_mb: float | None
    predicted_model_mb: float | None
    predicted_energy_mj: float | None


def planned_table(title: Sequence[str], answers: Sequence[PlannedAnswer], notes: Sequence[str]) -> Table:
    """Return a table with a line for every answer; what is known of none has no column.

    `title` has what the device is called and then what is told about it; `notes` stand under the table.
    """
    unit = time_unit(answer.predicted_ms for answer in answers if answer.predicted_ms)

    def latency(answer: PlannedAnswer) -> str:
        if not (answer.predicted_ms and answer.predicted_low_ms and answer.predicted_high_ms):
            return UNKNOWN
        ends = interval(answer.predicted_low_ms * unit.per_ms, answer.predicted_high_ms * unit.per_ms)
        return f"~{digits(answer.predicted_ms * unit.per_ms)}\n{ends}"

    def within(answer: PlannedAnswer) -> str:
        return {True: "yes", False: "borderline", None: UNKNOWN}[answer.interval_within]

    columns: list[tuple[str, Callable[[PlannedAnswer], str], bool]] = [
        ("Subnet\nmultiply-adds", lambda answer: f"{answer.arch_id}\n{count(answer.macs)}", True),
        ("UPEM", lambda answer: f"{answer.upem:.4f}", True),
        (f"p50, {unit.name}\n95% interval", latency, True),
        ("Interval\nwithin", within, any(answer.interval_within is not None for answer in answers)),
        *(
            (heading, _figure(values), any(value is not None for value in values.values()))
            for heading, values in (
                ("Memory\nMB", {answer: answer.predicted_memory_mb for answer in answers}),
                ("File\nMB", {answer: answer.predicted_model_mb for answer in answers}),
                ("Energy\nmJ", {answer: answer.predicted_energy_mj for answer in answers}),
            )
        ),
    ]
    table = plain_table(title[0], title[1:], notes)
    shown = [(heading, cell) for heading, cell, known in columns if known]
    table.add_column("Budget", overflow="fold")
    for heading, _ in shown:
        table.add_column(heading, justify="left" if heading.startswith("Interval") else "right", no_wrap=True)
    for answer in answers:
        table.add_row(Text(answer.budget, "bold"), *(Text(cell(answer)) for _, cell in shown))
    return table


def _figure(values: dict[PlannedAnswer, float | None]) -> Callable[[PlannedAnswer], str]:
    def cell(answer: PlannedAnswer) -> str:
        value = values[answer]
        return UNKNOWN if value is None else digits(value)

    return cell
