"""Bayesian linear regression on relative errors, towards a prior (Bishop, section 3.3), judged by leaving one out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import t as student

from harness.costs.channel_blocks import Floats

#: How much the measured networks count against the prior: the grid from which leaving one out chooses.
RIDGES = tuple(10.0**power for power in np.arange(-4.5, 1.1, 0.5))

#: A network counts less where it is this many times further off than the typical one (Huber's rule).
HUBER = 2.5

LEVEL = 0.95


@dataclass(frozen=True)
class Regression:
    """Ridge regression towards a prior on rows whose target is 1: relative errors."""

    rates: Floats
    inverse: Floats
    """(A'WA + ridge I)^-1 [features, features]."""
    residuals: Floats
    """Relative errors of rows that the fit leaves out, one at a time [rows]."""

    @classmethod
    def fit(cls, rows: Floats, prior: Floats, ridges: Sequence[float], rounds: int) -> Regression:
        """Return the fit whose ridge predicts best what it leaves out; weights follow from it in `rounds`."""

        def weighted(ridge: float) -> Regression:
            weights = np.ones(len(rows))
            for _ in range(rounds):
                found = cls._solve(rows, prior, ridge * len(rows), weights)
                off = np.abs(found.residuals)
                weights = np.minimum(1.0, HUBER * typical_size(off) / np.maximum(off, 1e-12))
            return found

        return min((weighted(ridge) for ridge in ridges), key=lambda fit: fit.error)

    @classmethod
    def _solve(cls, rows: Floats, prior: Floats, ridge: float, weights: Floats) -> Regression:
        weighted = rows * weights[:, None]
        inverse = np.asarray(np.linalg.inv(rows.T @ weighted + ridge * np.eye(rows.shape[1])), np.float64)
        rates: Floats = prior + inverse @ (weighted.T @ (1 - rows @ prior))
        leverage = ((rows @ inverse) * weighted).sum(axis=1)
        residuals: Floats = (rows @ rates - 1) / np.maximum(1 - leverage, 1e-6)
        return cls(rates, inverse, residuals)

    @cached_property
    def error(self) -> float:
        """Mean relative error of rows that the fit leaves out."""
        return float(np.abs(self.residuals).mean())

    @cached_property
    def noise(self) -> float:
        """The typical size of a residual, as the standard deviation of a normal one."""
        return typical_size(np.abs(self.residuals))

    @cached_property
    def quantile(self) -> float:
        """Standard errors to either side that hold 95%: Student's, or what leaving one out needed if that is more."""
        needed = np.quantile(np.abs(self.residuals), LEVEL) / max(self.noise, 1e-12)
        return float(max(student.ppf((1 + LEVEL) / 2, len(self.residuals) - 1), min(needed, 10.0)))

    def standard_error(self, rows: Floats) -> Floats:
        """Return the standard error of the prediction of every row [rows], a measurement's own noise apart."""
        leverage = ((rows @ self.inverse) * rows).sum(axis=1)
        spread: Floats = self.noise * np.sqrt(np.maximum(leverage, 0.0))
        return spread


def typical_size(sizes: Floats) -> float:
    """Return the standard deviation that the median of absolute errors stands for, were they normal."""
    return float(max(np.median(sizes) / 0.6745, 1e-9))
