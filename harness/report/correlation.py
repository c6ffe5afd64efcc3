"""Does UPEM tell which subnets are accurate? Its correlation with target accuracy (METHOD section 5).

UPEM is a distance, so a useful one correlates negatively with accuracy. The anchor scores 0 by construction and must be
left out.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

#: Fewer points than this leave Fisher's interval without a meaning.
FEWEST = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """A correlation coefficient with its interval; NaN where one of the two quantities does not vary."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class GroupCorrelation:
    """How UPEM and accuracy correlate among `count` architectures: `group` is a budget, or None for all of them.

    `plain` is Pearson's coefficient, `rank` Spearman's; `partial` is what remains of the former with log multiply-adds
    partialled out.
    """

    group: Hashable | None
    count: int
    plain: Correlation
    partial: Correlation
    rank: Correlation


def pearson(upem: ArrayLike, accuracy: ArrayLike) -> Correlation:
    """Return Pearson's correlation of two equally long sequences, with Fisher's 95% interval."""
    x, y = _checked(upem, accuracy)
    return _correlation(x, y, len(x))


def spearman(upem: ArrayLike, accuracy: ArrayLike) -> Correlation:
    """Return Spearman's rank correlation with the interval of Bonett and Wright (Psychometrika 65, 2000).

    Fisher's, with the variance of z times 1 + r^2 / 2.
    """
    x, y = _checked(upem, accuracy)
    return _correlation(stats.rankdata(x), stats.rankdata(y), len(x), rank=True)


def partial(upem: ArrayLike, accuracy: ArrayLike, macs: ArrayLike) -> Correlation:
    """Return the correlation of what log multiply-adds leave unexplained of either quantity.

    The residuals of two linear regressions on log `macs`; Fisher's interval has one degree of freedom less for it.
    """
    x, y, size = _checked(upem, accuracy, macs)
    if np.any(size <= 0):
        raise ValueError("multiply-adds must be positive")
    design = np.column_stack([np.ones(len(size)), np.log(size)])
    x, y = (_residuals(design, values) for values in (x, y))
    return _correlation(x, y, len(x) - 1)


def correlate(
    upem: Sequence[float], accuracy: Sequence[float], macs: Sequence[float], groups: Sequence[Hashable]
) -> list[GroupCorrelation]:
    """Return the correlations within every group, in order of appearance, and over all (group None) last.

    Raises ValueError if the sequences differ in length, are not finite, leave a group too small, or hold the anchor.
    """
    x, y, size = _checked(upem, accuracy, macs)
    if len(groups) != len(x):
        raise ValueError(f"there are {len(x)} architectures, but {len(groups)} group names")
    if np.any(x == 0):
        raise ValueError("the anchor has UPEM 0 by construction and must be left out of a correlation")
    rows: list[tuple[Hashable | None, NDArray[np.bool_]]] = [
        (group, np.array([own == group for own in groups])) for group in dict.fromkeys(groups)
    ]
    return [
        GroupCorrelation(
            group,
            int(row.sum()),
            pearson(x[row], y[row]),
            partial(x[row], y[row], size[row]),
            spearman(x[row], y[row]),
        )
        for group, row in [*rows, (None, np.ones(len(x), dtype=bool))]
    ]


def _correlation(x: Floats, y: Floats, count: int, *, rank: bool = False) -> Correlation:
    """Return Pearson's coefficient and the 95% interval that Fisher's z has for `count` points, or as many ranks."""
    if not (np.ptp(x) and np.ptp(y)):
        return Correlation(np.nan, np.nan, np.nan)
    value = float(stats.pearsonr(x, y).statistic)
    with np.errstate(divide="ignore"):
        z = np.arctanh(value)
    variance = (1 + value**2 / 2 if rank else 1.0) / (count - 3)
    reach = special.ndtri(0.975) * np.sqrt(variance)
    return Correlation(value, float(np.tanh(z - reach)), float(np.tanh(z + reach)))


def _residuals(design: Floats, values: Floats) -> Floats:
    """Return what a linear regression leaves of `values` [N]: exactly zero where that is rounding error."""
    residuals: Floats = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    noise = 1e-10 * np.abs(values).max()
    return residuals if np.abs(residuals).max() > noise else np.zeros_like(values)


def _checked(*sequences: ArrayLike) -> list[Floats]:
    arrays = [np.asarray(sequence, dtype=np.float64) for sequence in sequences]
    if any(array.ndim != 1 or len(array) != len(arrays[0]) for array in arrays):
        raise ValueError(f"a correlation needs sequences of one length, not {[array.shape for array in arrays]}")
    if len(arrays[0]) < FEWEST:
        raise ValueError(f"a correlation needs at least {FEWEST} architectures, not {len(arrays[0])}")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("a correlation needs finite numbers")
    return arrays
