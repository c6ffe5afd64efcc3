"""Tables and picture of the ladder: accuracy by method and budget, paired gains, UPEM's correlation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.report.ablation.correlations import Scored, correlation_table
from harness.report.ablation.pictures import draw_ablation
from harness.report.ablation.results import Outcome, Seeded, accuracies
from harness.report.ablation.sheet import Sheet, write_rows
from harness.report.ablation.tables import difference_table, mean_table

ACCURACY = "Target accuracy in percent, mean ± half of the 95% t interval over seeds:"


def write_ablation(
    outcomes: Sequence[Outcome], scored: Sequence[tuple[str, int, Scored]], folder: Path, notes: Sequence[str]
) -> str:
    """Write ablation.csv, ablation.md, ablation.png and, where subnets were scored, upem.csv; return the Markdown."""
    values = accuracies(outcomes)
    if scored:
        write_rows(folder / "upem.csv", [{"task": task, "seed": seed, **s.model_dump()} for task, seed, s in scored])
    body: list[str] = []
    for task in values.tasks:
        body += ["", f"## {task}", "", ACCURACY, "", *mean_table(values, task, "method"), "", *_gains(values, task)]
        body += ["", *correlation_table([(seed, s) for t, seed, s in scored if t == task])]
    sheet = Sheet(folder, "ablation", "Ablation", len(values.seeds), tuple(notes))
    return sheet.write(body, {"": [outcome.model_dump() for outcome in outcomes]}, draw_ablation(values))


def write_variants(sheet: Sheet, outcomes: Sequence[Outcome], reference: str) -> str:
    """Write an experiment whose variants are held against one of them; return the Markdown.

    An outcome's `method` is the label of its variant.
    """
    values = accuracies(outcomes)
    pairs = [(line, line, reference) for line in values.lines if line != reference]
    body: list[str] = []
    for task in values.tasks:
        body += ["", f"## {task}", "", ACCURACY, "", *mean_table(values, task, "variant"), ""]
        body += [f"Paired gain over {reference} in points [95% t interval over seeds]:", ""]
        body += difference_table(values, task, pairs)
    rows = [{"variant" if k == "method" else k: v for k, v in outcome.model_dump().items()} for outcome in outcomes]
    return sheet.write(body, {"": rows}, draw_ablation(values))


def _gains(values: Seeded, task: str) -> list[str]:
    others = [line for line in values.lines if line != "slimda"]
    if "slimda" not in values.lines or not others:
        return []
    pairs = [(f"over {other}", "slimda", other) for other in others]
    heading = "Paired gain of slimda in points [95% t interval over seeds]:"
    return [heading, "", *difference_table(values, task, pairs)]
