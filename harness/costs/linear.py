"""Costs as a sum of what plausibly makes them up, each at a rate that cannot be negative.

The rates are fitted by non-negative least squares on relative errors (Lawson and Hanson, Solving Least Squares
Problems, chapter 23).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from harness.space import Architecture

Floats = NDArray[np.float64]


class TooFewFigures(ValueError):
    """Not enough measured architectures to fit and to check a model."""


@dataclass(frozen=True)
class LinearModel:
    """Predicts one cost of any architecture of a space, for the device and settings that it was fitted on."""

    names: tuple[str, ...]
    """What the cost is made of."""
    features: Callable[[Architecture], Sequence[float]]
    """How much of each an architecture has."""
    rates: Floats
    """Cost per unit of each, none negative."""
    median_error: float
    """Median relative error on architectures that the fit has not seen (leave-one-out)."""
    p90_error: float
    """90th percentile of it."""

    @classmethod
    def fit(
        cls,
        names: tuple[str, ...],
        features: Callable[[Architecture], Sequence[float]],
        archs: Sequence[Architecture],
        costs: Sequence[float],
    ) -> LinearModel:
        """Fit on measured architectures.

        TooFewFigures unless every leave-one-out fit has as many distinct architectures as features; ValueError for
        costs that are not positive numbers, one for each architecture.
        """
        measured = np.array(costs, np.float64)
        if len(archs) != len(measured) or not (np.isfinite(measured).all() and (measured > 0).all()):
            raise ValueError(f"{len(archs)} architectures need as many positive costs, got {list(costs)}")
        if len(set(archs)) <= len(names):
            raise TooFewFigures(f"{len(names) + 1} different subnets are needed, and there are {len(set(archs))}")
        matrix = np.array([features(arch) for arch in archs], np.float64)
        every = np.arange(len(measured))
        unseen = np.array([matrix[i] @ _rates(matrix[every != i], measured[every != i]) for i in every])
        errors = np.abs(unseen - measured) / measured
        median, p90 = np.percentile(errors, [50, 90])
        return cls(names, features, _rates(matrix, measured), float(median), float(p90))

    def predict(self, arch: Architecture) -> float:
        """Return the predicted cost."""
        return float(np.asarray(self.features(arch), np.float64) @ self.rates)

    @property
    def record(self) -> dict[str, Any]:
        """What run.json keeps of it."""
        return {
            "rates": dict(zip(self.names, self.rates.tolist(), strict=True)),
            "held_out": {"median": self.median_error, "p90": self.p90_error},
        }


def fit_rate(
    figure: Callable[[Architecture], float], archs: Sequence[Architecture], costs: Sequence[float]
) -> LinearModel:
    """Return costs as a constant and a rate of one figure alone, say of multiply-adds. Raises as `LinearModel.fit`."""
    return LinearModel.fit(("constant", "rate"), lambda arch: (1.0, figure(arch) / 1e6), archs, costs)


def _rates(features: Floats, costs: Floats) -> Floats:
    """Return r >= 0 that minimises sum_i ((features_i . r - cost_i) / cost_i)^2."""
    scale = features.max(axis=0)
    scale[scale == 0] = 1.0
    rates, _ = nnls(features / scale / costs[:, None], np.ones(len(costs)))
    return np.asarray(rates / scale, np.float64)
