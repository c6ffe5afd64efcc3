"""Target accuracies of the ablation by task, method, budget and seed, and what the seeds say together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

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


class Estimate(BaseModel):
    """A mean over seeds with its 95% t interval (NaN for one seed)."""

    model_config = ConfigDict(frozen=True)

    mean: float
    low: float
    high: float

    def __format__(self, digits: str) -> str:
        return f"{self.mean:{digits}}" + ("" if np.isnan(self.low) else f" [{self.low:{digits}}, {self.high:{digits}}]")

    def spread(self, digits: str = ".1f") -> str:
        """Return the mean and half of the interval."""
        return f"{self.mean:{digits}}" + ("" if np.isnan(self.high) else f" ± {self.high - self.mean:{digits}}")


class Seeded:
    """A quantity by task, line and column of a table, and seed; lines and columns in order of appearance."""

    def __init__(self, values: Mapping[tuple[str, str, str, int], float]) -> None:
        self._values = dict(values)
        self.tasks = list(dict.fromkeys(key[0] for key in values))
        self.lines = list(dict.fromkeys(key[1] for key in values))
        self.columns = list(dict.fromkeys(key[2] for key in values))
        self.seeds = sorted({key[3] for key in values})

    def mean(self, task: str, line: str, column: str) -> Estimate | None:
        """Return the mean over seeds, None where there is nothing."""
        return estimated([v for s in self.seeds if (v := self._values.get((task, line, column, s))) is not None])

    def difference(self, task: str, line: str, over: str, column: str) -> Estimate | None:
        """Return the mean difference of two lines, paired by seed."""
        pairs = [tuple(self._values.get((task, one, column, s)) for one in (line, over)) for s in self.seeds]
        return estimated([a - b for a, b in pairs if a is not None and b is not None])


def accuracies(outcomes: Iterable[Outcome]) -> Seeded:
    """Return accuracies in percent: a line per method, a column per budget."""
    return Seeded({(o.task, o.method, o.budget, o.seed): 100 * o.accuracy for o in outcomes})


def estimated(values: Sequence[float]) -> Estimate | None:
    """Return the mean of values over seeds with its 95% t interval; None where there are none."""
    if not values:
        return None
    if len(values) == 1:
        return Estimate(mean=values[0], low=float("nan"), high=float("nan"))
    mean, half = float(np.mean(values)), float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return Estimate(mean=mean, low=mean - half, high=mean + half)
