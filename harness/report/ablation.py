"""Tables and picture of the ablation: accuracy by method and budget over seeds, paired gains, UPEM's correlation."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict
from scipy import stats

from harness.report.correlation import Correlation, GroupCorrelation, correlate
from harness.report.files import write_atomic

#: How the ladder's first rung is called where batch-norm keeps source statistics; `source-only` has the target's.
SOURCE_STATISTICS = "source-only (source statistics)"


class Outcome(BaseModel):
    """Target accuracy (0 to 1) of one method at one budget, from one seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    method: str
    seed: int
    budget: str
    widths: str
    compute_fraction: float
    accuracy: float


class Scored(BaseModel):
    """UPEM and target accuracy of one random architecture just below a budget."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: str
    widths: str
    macs: int
    upem: float
    upem_sharpened: float
    accuracy: float


class Estimate(BaseModel):
    """A mean over seeds with its 95% t interval (NaN for one seed); accuracies and gains in points."""

    model_config = ConfigDict(frozen=True)

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.1f}" + ("" if np.isnan(self.low) else f" [{self.low:.1f}, {self.high:.1f}]")


class Results:
    """Outcomes by task, method, budget and seed."""

    def __init__(self, outcomes: Iterable[Outcome]) -> None:
        self.outcomes = list(outcomes)
        self.tasks = list(dict.fromkeys(o.task for o in self.outcomes))
        self.methods = list(dict.fromkeys(o.method for o in self.outcomes))
        self.budgets = list(dict.fromkeys(o.budget for o in self.outcomes))
        self.seeds = sorted({o.seed for o in self.outcomes})
        self._accuracy = {(o.task, o.method, o.budget, o.seed): 100 * o.accuracy for o in self.outcomes}

    def accuracy(self, task: str, method: str, budget: str) -> Estimate | None:
        """Return the mean accuracy in percent, None where a method was not run."""
        return _estimate([a for s in self.seeds if (a := self._accuracy.get((task, method, budget, s))) is not None])

    def gain(self, task: str, method: str, over: str, budget: str) -> Estimate | None:
        """Return the mean difference of two methods paired by seed, in points."""
        pairs = [tuple(self._accuracy.get((task, m, budget, s)) for m in (method, over)) for s in self.seeds]
        return _estimate([a - b for a, b in pairs if a is not None and b is not None])


def write_ablation(
    outcomes: Sequence[Outcome], scored: Sequence[tuple[str, int, Scored]], folder: Path, notes: Sequence[str]
) -> str:
    """Write ablation.csv, upem.csv, ablation.md and ablation.png into `folder`; return the Markdown."""
    results = Results(outcomes)
    _write_csv(folder / "ablation.csv", [outcome.model_dump() for outcome in outcomes])
    _write_csv(folder / "upem.csv", [{"task": task, "seed": seed, **s.model_dump()} for task, seed, s in scored])
    parts = [f"# Ablation, {len(results.seeds)} seeds", *(f"- {note}" for note in notes)]
    for task in results.tasks:
        parts += ["", f"## {task}", "", *_accuracy_table(results, task), "", *_gain_table(results, task)]
        parts += ["", *_correlation_table([(seed, s) for t, seed, s in scored if t == task])]
    text = "\n".join(parts) + "\n"
    write_atomic(folder / "ablation.md", text.encode())
    picture = io.BytesIO()
    draw_ablation(results).savefig(picture, format="png", dpi=150)
    write_atomic(folder / "ablation.png", picture.getvalue())
    return text


def draw_ablation(results: Results) -> Figure:
    """Return accuracy against budget, a line per method with its interval over seeds, a panel per task."""
    figure = Figure(figsize=(1.5 + 6.0 * len(results.tasks), 4.6), layout="constrained")
    panels = figure.subplots(1, len(results.tasks), squeeze=False)[0]
    colours = ("#999999", "#000000", "#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#D55E00")
    for panel, task in zip(panels, results.tasks, strict=True):
        for method, colour in zip(results.methods, colours, strict=False):
            found = [(i, e) for i, b in enumerate(results.budgets) if (e := results.accuracy(task, method, b))]
            if not found:
                continue
            x = np.array([i for i, _ in found])
            mean, low, high = (np.array([getattr(e, name) for _, e in found]) for name in ("mean", "low", "high"))
            style = "--" if method == SOURCE_STATISTICS else "-"
            panel.plot(x, mean, style, marker="o", markersize=4, color=colour, label=method)
            if not np.isnan(low).any():
                panel.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
        panel.set_xticks(range(len(results.budgets)), results.budgets)
        panel.set_xlabel("share of the full multiply-adds")
        panel.set_ylabel("target accuracy, % (mean, 95% interval over seeds)")
        panel.set_title(task)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def _accuracy_table(results: Results, task: str) -> list[str]:
    def cell(method: str, budget: str) -> str:
        estimate = results.accuracy(task, method, budget)
        if estimate is None:
            return ""
        spread = "" if np.isnan(estimate.high) else f" ± {estimate.high - estimate.mean:.1f}"
        return f"{estimate.mean:.1f}{spread}"

    return [
        "Target accuracy in percent, mean ± half of the 95% t interval over seeds:",
        "",
        *_table(["method", *results.budgets], [[m, *(cell(m, b) for b in results.budgets)] for m in results.methods]),
    ]


def _gain_table(results: Results, task: str) -> list[str]:
    others = [method for method in results.methods if method != "slimda"]
    if "slimda" not in results.methods or not others:
        return []
    lines = [
        [f"over {other}", *(str(results.gain(task, "slimda", other, b) or "") for b in results.budgets)]
        for other in others
    ]
    return ["Paired gain of slimda in points [95% t interval over seeds]:", "", *_table(["", *results.budgets], lines)]


def _correlation_table(scored: Sequence[tuple[int, Scored]]) -> list[str]:
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
        [name, budget, *(_over_seeds([getattr(g, kind) for _, g in found]) for kind in ("plain", "partial"))]
        for (name, budget), found in groups.items()
    ]
    single = [
        [str(seed), name, budget, str(group.count), _written(group.plain), _written(group.partial)]
        for (name, budget), found in groups.items()
        for seed, group in found
    ]
    heading = ["UPEM", "budget", "Pearson [95%]", "multiply-adds partialled out [95%]"]
    return [
        "Correlation of UPEM with target accuracy, random architectures of slimda's banks (below 0: it tells); mean "
        "and t interval over seeds of Fisher's z:",
        "",
        *_table(heading, together),
        "",
        "Each seed's bank by itself:",
        "",
        *_table(["seed", *heading[:2], "subnets", *heading[2:]], single),
    ]


def _over_seeds(found: Sequence[Correlation]) -> str:
    """Return the mean correlation, averaged as Fisher's z, with its interval over seeds."""
    values = [c.value for c in found if np.isfinite(c.value) and abs(c.value) < 1]
    estimate = _estimate([float(np.arctanh(value)) for value in values])
    if estimate is None:
        return ""
    return _written(Correlation(*(float(np.tanh(z)) for z in (estimate.mean, estimate.low, estimate.high))))


def _written(correlation: Correlation) -> str:
    return f"{correlation.value:.2f} [{correlation.low:.2f}, {correlation.high:.2f}]"


def _table(heading: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    return [row(heading), row(["---"] * len(heading)), *(row(line) for line in lines)]


def _estimate(values: Sequence[float]) -> Estimate | None:
    if not values:
        return None
    if len(values) == 1:
        return Estimate(mean=values[0], low=float("nan"), high=float("nan"))
    interval = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    return Estimate(mean=float(np.mean(values)), low=float(interval.low), high=float(interval.high))


def _write_csv(path: Path, lines: Sequence[dict[str, object]]) -> None:
    text = io.StringIO()
    if lines:
        writer = csv.DictWriter(text, fieldnames=list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    write_atomic(path, text.getvalue().encode())
