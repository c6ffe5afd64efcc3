"""How the bank converges: target accuracy at a few checkpoints, and the loss of all iterations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from harness.report.ablation.pictures import ACCURACY_AXIS, draw_panels
from harness.report.ablation.results import Seeded
from harness.report.ablation.sheet import Sheet
from harness.report.ablation.tables import mean_table

#: The loss is averaged over so many equal parts of the iterations, or every iteration where there are fewer.
PARTS = 50


class CheckpointAccuracy(BaseModel):
    """Target accuracy (0 to 1) of a bank at one budget after so many iterations of its method."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    iteration: int
    budget: str
    accuracy: float


class Course(NamedTuple):
    """The training of one variant of one task and seed: every iteration's loss, and accuracy at the checkpoints."""

    task: str
    seed: int
    variant: str
    losses: Sequence[float]
    points: Sequence[CheckpointAccuracy]


def write_convergence(sheet: Sheet, courses: Sequence[Course]) -> str:
    """Write accuracies and losses over the iterations, tables over seeds and the picture; return the Markdown."""
    accuracy = Seeded(
        {
            (c.task, f"{c.variant}, {p.budget}", str(p.iteration), c.seed): 100 * p.accuracy
            for c in courses
            for p in c.points
        }
    )
    losses = [(course, until, loss) for course in courses for until, loss in averaged(course.losses)]
    loss = Seeded({(c.task, c.variant, str(until), c.seed): value for c, until, value in losses})
    body = ["- iteration 0 is the bank after the source iterations; methods minimise different losses"]
    for task in accuracy.tasks:
        body += [
            "",
            f"## {task}",
            "",
            "Target accuracy in percent after so many iterations of the method, mean ± half ",
        ]
        body[-1] += "of the 95% t interval over seeds:"
        body += ["", *mean_table(accuracy, task, "variant, budget")]
    points = [
        {"task": c.task, "seed": c.seed, "variant": c.variant, **p.model_dump()} for c in courses for p in c.points
    ]
    lines = [
        {"task": c.task, "seed": c.seed, "variant": c.variant, "until_iteration": until, "mean_loss": value}
        for c, until, value in losses
    ]
    figure = draw_panels(
        {ACCURACY_AXIS: accuracy, "loss (mean over the model batch)": loss}, "iterations of the method"
    )
    return sheet.write(body, {"": points, "-losses": lines}, figure)


def averaged(losses: Sequence[float]) -> Iterator[tuple[int, float]]:
    """Yield the mean loss of every part of the iterations with the iteration that it ends at."""
    ends = np.linspace(0, len(losses), min(PARTS, len(losses)) + 1).round().astype(int)
    for begin, end in pairwise(ends):
        yield int(end), float(np.mean(losses[begin:end]))
