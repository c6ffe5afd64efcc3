"""Markdown tables of means over seeds and of paired differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.report.ablation.results import Seeded


def mean_table(values: Seeded, task: str, corner: str, digits: str = ".1f") -> list[str]:
    """Return the lines of a task's table: mean ± half of the interval over seeds."""

    def cell(line: str, column: str) -> str:
        estimate = values.mean(task, line, column)
        return "" if estimate is None else estimate.spread(digits)

    return markdown_table(
        [corner, *values.columns], [[line, *(cell(line, c) for c in values.columns)] for line in values.lines]
    )


def difference_table(
    values: Seeded, task: str, pairs: Iterable[tuple[str, str, str]], digits: str = ".1f"
) -> list[str]:
    """Return the lines of a table of paired differences; each pair is (heading, line, the line it is held against)."""

    def cell(line: str, over: str, column: str) -> str:
        estimate = values.difference(task, line, over, column)
        return "" if estimate is None else format(estimate, digits)

    return markdown_table(
        ["", *values.columns],
        [[heading, *(cell(line, over, c) for c in values.columns)] for heading, line, over in pairs],
    )


def markdown_table(heading: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""

    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    return [row(heading), row(["---"] * len(heading)), *(row(line) for line in lines)]
