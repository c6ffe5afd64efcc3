"""UPEM against target accuracy in the ladder: plain and sharpened, seed by seed and together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from harness.report.ablation.results import estimated
from harness.report.ablation.tables import markdown_table
from harness.report.correlation import Correlation, GroupCorrelation, correlate


class Scored(BaseModel):
    """UPEM and target accuracy of one random architecture just below a budget."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: str
    widths: str
    macs: int
    upem: float
    upem_sharpened: float
    accuracy: float


def correlation_table(scored: Sequence[tuple[int, Scored]]) -> list[str]:
    """Return the correlations of every seed's bank, within budgets and over all, and what the seeds say together."""
    groups: dict[tuple[str, str], list[tuple[int, GroupCorrelation]]] = {}
    for seed in dict.fromkeys(seed for seed, _ in scored):
        own = [s for other, s in scored if other == seed]
        for name, values in (("plain", [s.upem for s in own]), ("sharpened", [s.upem_sharpened for s in own])):
            for group in correlate(values, [s.accuracy for s in own], [s.macs for s in own], [s.budget for s in own]):
                groups.setdefault((name, str(group.group or "all")), []).append((seed, group))
    if not groups:
        return []
    together = [
        [name, budget, *(over_seeds([getattr(g, kind) for _, g in found]) for kind in ("plain", "partial"))]
        for (name, budget), found in groups.items()
    ]
    single = [
        [str(seed), name, budget, str(group.count), written(group.plain), written(group.partial)]
        for (name, budget), found in groups.items()
        for seed, group in found
    ]
    heading = ["UPEM", "budget", "Pearson [95%]", "multiply-adds partialled out [95%]"]
    return [
        "Correlation of UPEM with target accuracy, random architectures of slimda's banks (below 0: it tells); mean "
        "and t interval over seeds of Fisher's z:",
        "",
        *markdown_table(heading, together),
        "",
        "Each seed's bank by itself:",
        "",
        *markdown_table(["seed", *heading[:2], "subnets", *heading[2:]], single),
    ]


def over_seeds(found: Sequence[Correlation]) -> str:
    """Return the mean correlation, averaged as Fisher's z, with its interval over seeds."""
    values = [c.value for c in found if np.isfinite(c.value) and abs(c.value) < 1]
    estimate = estimated([float(np.arctanh(value)) for value in values])
    if estimate is None:
        return ""
    return written(Correlation(*(float(np.tanh(z)) for z in (estimate.mean, estimate.low, estimate.high))))


def written(correlation: Correlation) -> str:
    """Return a correlation with its interval where it has one; nothing where there is none."""
    if np.isnan(correlation.value):
        return ""
    interval = "" if np.isnan(correlation.low) else f" [{correlation.low:.2f}, {correlation.high:.2f}]"
    return f"{correlation.value:.2f}{interval}"
