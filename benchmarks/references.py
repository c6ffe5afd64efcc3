"""What unseen architectures were measured at, and how predictions agree with it beyond the measurements' own doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from scipy.stats import t as student

from harness.bank import Architecture
from harness.measuring import statistics

Floats = NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True)
class Reference:
    """What an architecture was measured at, as a share of the full width: its logarithm in every process."""

    arch: Architecture
    rung: float
    log_ratios: tuple[float, ...]

    @cached_property
    def ratio(self) -> float:
        """The geometric mean over processes."""
        return float(np.exp(np.mean(self.log_ratios)))

    @cached_property
    def _interval(self) -> tuple[float, float]:
        found = statistics.t_interval(list(self.log_ratios), LEVEL)
        return (float(np.exp(found.low)), float(np.exp(found.high))) if found else (self.ratio, self.ratio)

    @property
    def half_width(self) -> float:
        """Half the 95% interval, relative."""
        low, high = self._interval
        return (high / low - 1) / 2

    def nearest(self, predicted: float) -> float:
        """Return the ratio within the 95% interval that is nearest to a prediction."""
        return float(np.clip(predicted, *self._interval))

    def beyond(self, predicted: float) -> float:
        """Return by how much of the measured ratio a prediction lies outside its 95% interval."""
        return abs(predicted - self.nearest(predicted)) / self.ratio


class Decided(NamedTuple):
    """The pairs of architectures of which measuring decides, at 95%, which is the faster one."""

    pairs: int
    agreement: float
    """Goodman and Kruskal's gamma over them: pairs in the measured order less the others, as a share of all."""


def decided_order(predicted: Floats, references: Sequence[Reference]) -> Decided:
    """Return how well predictions order what is decided: by a paired t interval over processes for each pair."""
    logs = np.array([reference.log_ratios for reference in references])
    first, second = np.triu_indices(len(logs), 1)
    slower = logs[second] - logs[first]
    count = logs.shape[1]
    doubt = student.ppf((1 + LEVEL) / 2, count - 1) * slower.std(axis=1, ddof=1) / np.sqrt(count)
    decided = np.abs(slower.mean(axis=1)) > doubt
    agrees = np.sign(slower.mean(axis=1)) * np.sign(predicted[second] - predicted[first])
    return Decided(int(decided.sum()), float(agrees[decided].mean()) if decided.any() else np.nan)


def perfect_rank(references: Sequence[Reference]) -> float:
    """Return about what rank correlation a model without any error would have with references as noisy as these.

    The root of their reliability: the mean correlation between halves of the processes, stepped up to all of them
    (Spearman and Brown).
    """
    logs = np.array([reference.log_ratios for reference in references])
    count = logs.shape[1]
    halves = []
    for own in combinations(range(count), count // 2):
        others = [process for process in range(count) if process not in own]
        halves.append(spearmanr(logs[:, list(own)].mean(axis=1), logs[:, others].mean(axis=1)).statistic)
    half = max(0.0, float(np.mean(halves)))
    return float(np.sqrt(2 * half / (1 + half)))
