"""Which form of UPEM tells accurate subnets best: its correlations with target accuracy within budgets and over all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from harness.report.ablation.correlations import over_seeds, written
from harness.report.ablation.pictures import draw_panels
from harness.report.ablation.results import Seeded
from harness.report.ablation.sheet import Sheet
from harness.report.ablation.tables import markdown_table
from harness.report.correlation import FEWEST, Correlation, correlate


class UpemForm(NamedTuple):
    """A form of UPEM: the norm of the difference, the temperature both predictions are sharpened with, the anchor."""

    norm: Literal["l2", "l1"]
    sharpening: float | None
    anchor: Literal["full", "ensemble"]

    def __str__(self) -> str:
        sharpened = "plain" if self.sharpening is None else f"T{self.sharpening:g}"
        return f"{self.norm}-{sharpened}-{self.anchor}"


#: The default form first.
UPEM_FORMS = tuple(
    UpemForm(norm, sharpening, anchor)
    for anchor in ("full", "ensemble")
    for norm in ("l2", "l1")
    for sharpening in (None, 0.5, 0.25)
)


class ScoredEveryWay(BaseModel):
    """Target accuracy of one random architecture just below a budget, and its UPEM by form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: str
    widths: str
    macs: int
    accuracy: float
    upem: dict[str, float]


@dataclass(frozen=True)
class Told:
    """What a form of UPEM tells within a budget of one bank; budget `all`: over all of them."""

    task: str
    seed: int
    form: str
    budget: str
    count: int
    pearson: Correlation
    spearman: Correlation
    partial: Correlation


_KINDS = {"pearson": "Pearson", "spearman": "Spearman", "partial": "Pearson with multiply-adds partialled out"}


def write_upem(sheet: Sheet, scored: Sequence[tuple[str, int, ScoredEveryWay]]) -> str:
    """Write every architecture, every bank's correlations, tables and picture; return the Markdown."""
    told = [
        one
        for task, seed in dict.fromkeys((task, seed) for task, seed, _ in scored)
        for one in _told(task, seed, [s for t, own, s in scored if (t, own) == (task, seed)])
    ]
    body: list[str] = []
    for task in dict.fromkeys(one.task for one in told):
        body += ["", f"## {task}", "", *_counts(told, task)]
        for kind, name in _KINDS.items():
            body += ["", f"{name}, UPEM with target accuracy (below 0: it tells):", "", *_table(told, task, kind)]
    rows = [
        {"task": t, "seed": seed, **s.model_dump(exclude={"upem"}), **{f"upem {f}": v for f, v in s.upem.items()}}
        for t, seed, s in scored
    ]
    panels = {
        f"{name}\n(mean, 95% interval over seeds)": Seeded(
            {(o.task, o.form, o.budget, o.seed): getattr(o, kind).value for o in told if _known(getattr(o, kind))}
        )
        for kind, name in _KINDS.items()
    }
    lines = {"": rows, "-correlations": list(_rows(told))}
    return sheet.write(body, lines, draw_panels(panels, "share of the full multiply-adds"))


def _told(task: str, seed: int, scored: Sequence[ScoredEveryWay]) -> Iterator[Told]:
    """Yield what each form tells of one bank; a budget with fewer than `FEWEST` architectures tells nothing by itself.

    An architecture that is the anchor scores 0 by construction and is left out.
    """
    counts = Counter(s.budget for s in scored)
    own = [s for s in scored if counts[s.budget] >= FEWEST and all(s.upem.values())]
    for form in map(str, UPEM_FORMS):
        values = [s.upem[form] for s in own]
        for group in correlate(values, [s.accuracy for s in own], [s.macs for s in own], [s.budget for s in own]):
            budget = str(group.group or "all")
            yield Told(task, seed, form, budget, group.count, group.plain, group.rank, group.partial)


def _counts(told: Sequence[Told], task: str) -> list[str]:
    fewest = {o.budget: min(x.count for x in told if (x.task, x.budget) == (task, o.budget)) for o in told}
    return ["Random architectures of each bank: " + ", ".join(f"{n} at {b}" for b, n in fewest.items()) + "."]


def _table(told: Sequence[Told], task: str, kind: str) -> list[str]:
    own = [one for one in told if one.task == task]
    budgets = list(dict.fromkeys(one.budget for one in own))

    def cell(form: str, budget: str) -> str:
        found = [getattr(one, kind) for one in own if (one.form, one.budget) == (form, budget)]
        return _said(found)

    return markdown_table(["UPEM", *budgets], [[f, *(cell(f, b) for b in budgets)] for f in map(str, UPEM_FORMS)])


def _said(found: Sequence[Correlation]) -> str:
    """Return the mean over seeds with its interval; of a single seed its own Fisher interval."""
    known = [one for one in found if _known(one)]
    return written(known[0]) if len(known) == 1 else over_seeds(known)


def _known(correlation: Correlation) -> bool:
    return bool(np.isfinite(correlation.value))


def _rows(told: Sequence[Told]) -> Iterator[dict[str, object]]:
    for one in told:
        row: dict[str, object] = {"task": one.task, "seed": one.seed, "upem": one.form, "budget": one.budget}
        row["architectures"] = one.count
        for kind in _KINDS:
            correlation: Correlation = getattr(one, kind)
            if _known(correlation):
                row |= {kind: correlation.value, f"{kind}_low": correlation.low, f"{kind}_high": correlation.high}
            else:
                row |= {kind: "", f"{kind}_low": "", f"{kind}_high": ""}
        yield row
