"""How far predictions are from measurements that they have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr


@dataclass(frozen=True)
class HeldOutError:
    """Relative errors of latencies, and whether their order is right."""

    count: int
    mean: float
    p90: float
    p99: float
    rank_correlation: float | None
    """Spearman's, between predicted and measured; None of fewer than three, and where all are predicted alike."""
    coverage: float | None = None
    """Share of the measurements within their predicted 95% intervals; None where no interval is predicted."""


def held_out_error(
    predicted: Sequence[float], measured: Sequence[float], within: Sequence[bool] | None = None
) -> HeldOutError:
    """Return the errors of predictions [n] of measurements [n]; `within` says which lie in their interval."""
    ranked = len(predicted) > 2 and np.ptp(predicted) > 0 and np.ptp(measured) > 0
    errors = np.abs(np.asarray(predicted) / np.asarray(measured) - 1)
    return HeldOutError(
        count=len(errors),
        mean=float(errors.mean()),
        p90=float(np.percentile(errors, 90)),
        p99=float(np.percentile(errors, 99)),
        rank_correlation=float(spearmanr(predicted, measured).statistic) if ranked else None,
        coverage=None if within is None else float(np.mean(within)),
    )
