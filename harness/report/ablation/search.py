"""What each way of searching finds: UPEM, which it minimises, and target accuracy, which is only reported."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from harness.report.ablation.pictures import ACCURACY_AXIS, BUDGET_AXIS, draw_panels
from harness.report.ablation.results import Seeded
from harness.report.ablation.sheet import Sheet
from harness.report.ablation.tables import difference_table, mean_table

#: What the others are held against.
YARDSTICK = "uniform"


class FoundSubnet(BaseModel):
    """A way of searching's answer to one budget; `evaluations` is what the whole search has scored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: str
    budget: str
    widths: str
    compute_fraction: float
    upem: float
    accuracy: float
    evaluations: int


def write_search(sheet: Sheet, found: Sequence[tuple[str, int, FoundSubnet]]) -> str:
    """Write what was found, tables over seeds and the picture; return the Markdown."""
    upem = Seeded({(task, one.strategy, one.budget, seed): one.upem for task, seed, one in found})
    accuracy = Seeded({(task, one.strategy, one.budget, seed): 100 * one.accuracy for task, seed, one in found})
    pairs = [(f"{line} - {YARDSTICK}", line, YARDSTICK) for line in upem.lines if line != YARDSTICK]
    body = ["- uniform widths leave one architecture for each budget: that is all this way can score"]
    body += ["- the full width is UPEM's anchor: at budget 1 it scores 0 by construction"]
    for task in upem.tasks:
        for name, values, digits in (("UPEM", upem, ".4f"), ("Target accuracy in percent", accuracy, ".1f")):
            body += ["", f"## {task}: {name}", "", "Mean ± half of the 95% t interval over seeds:", ""]
            body += mean_table(values, task, "found by", digits)
            body += ["", "Differences paired by seed [95% t interval]:", ""]
            body += difference_table(values, task, pairs, digits)
    rows = [{"task": task, "seed": seed, **one.model_dump()} for task, seed, one in found]
    figure = draw_panels({"UPEM of what was found": upem, ACCURACY_AXIS: accuracy}, BUDGET_AXIS)
    return sheet.write(body, {"": rows}, figure)
