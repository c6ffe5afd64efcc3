"""Statistics of samples: small functions on plain numbers, in the samples' own unit unless said otherwise."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

REQUIRED_SAMPLES = {90: 64, 99: 662}
"""Samples below which a percentile is not reported: 99% confidence in it, MLPerf LoadGen's early-stopping floors."""
OUTLIER_Z = 14.8
"""Modified z-score above which a sample is counted as an outlier: ten median absolute deviations."""

EQUAL_SHARE = 0.02
EQUAL_NS = 3000.0


class Interval(NamedTuple):
    """An estimate with its confidence bounds."""

    estimate: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """The interval's half-width as a share of the estimate, for an interval of positive quantities."""
        return math.sqrt(self.high / self.low) - 1


def percentile(samples: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile: the smallest sample that `percent`% of the samples do not exceed."""
    if not samples or not 0 < percent <= 100:
        raise ValueError("a percentile needs samples and a percentage above 0 and up to 100")
    rank = -(-percent * len(samples) // 100)
    return float(np.partition(np.asarray(samples), rank - 1)[rank - 1])


def supported_percentile(samples: Sequence[float], percent: int) -> float | None:
    """Return the percentile, or None where `REQUIRED_SAMPLES` are not reached."""
    return percentile(samples, percent) if len(samples) >= REQUIRED_SAMPLES[percent] else None


def median_interval(values: Sequence[float]) -> Interval | None:
    """Return the median of positive `values`, one per process, with a 95% t interval over the processes.

    The interval is taken on logarithms, because noise slows by a factor. It is widened where needed to hold the median,
    which the interval of a mean may miss when one process is far off. None for fewer than two values.
    """
    bounds = t_interval(np.log(values), 0.95)
    if bounds is None:
        return None
    estimate = float(np.median(values))
    return Interval(estimate, min(estimate, math.exp(bounds.low)), max(estimate, math.exp(bounds.high)))


def t_interval(
    values: Sequence[float] | np.ndarray[tuple[int, ...], np.dtype[np.float64]], confidence: float
) -> Interval | None:
    """Return the mean of `values` with Student's t interval; None for fewer than two values."""
    count = len(values)
    if count < 2:
        return None
    mean = float(np.mean(values))
    half = float(stats.t.ppf((1 + confidence) / 2, count - 1) * np.std(values, ddof=1) / math.sqrt(count))
    return Interval(mean, mean - half, mean + half)


def bootstrap_ratio(before: Sequence[float], after: Sequence[float]) -> Interval | None:
    """Return the geometric mean of `after` over that of `before` with a 95% bootstrap interval; None below two values.

    Values are positive, one per process, of independent processes. Resampling a handful of values understates their
    spread, so the percentiles are taken further out (Hesterberg, What Teachers Should Know About the Bootstrap, 2015),
    for the smaller of the two samples.
    """
    count = min(len(before), len(after))
    if count < 2:
        return None
    logs = np.log(after), np.log(before)
    estimate = math.exp(float(np.mean(logs[0]) - np.mean(logs[1])))
    if np.ptp(logs[0]) == np.ptp(logs[1]) == 0:
        return Interval(estimate, estimate, estimate)
    tail = float(stats.norm.sf(math.sqrt(count / (count - 1)) * stats.t.isf(0.025, count - 1)))
    found = stats.bootstrap(
        logs,
        lambda one, other, axis: np.mean(one, axis) - np.mean(other, axis),
        vectorized=True,
        method="percentile",
        confidence_level=1 - 2 * tail,
        random_state=np.random.default_rng(0),
    ).confidence_interval
    return Interval(estimate, math.exp(found.low), math.exp(found.high))


def log_ratio(subject: Sequence[Sequence[float]], anchor: Sequence[Sequence[float]]) -> float:
    """Return the median over rounds of log(median of the subject / median of the anchor in the same round)."""
    return float(
        np.median([math.log(percentile(s, 50) / percentile(a, 50)) for s, a in zip(subject, anchor, strict=True)])
    )


def outliers(samples: Sequence[float]) -> int:
    """Count samples whose modified z-score is above `OUTLIER_Z` (Iglewicz and Hoaglin 1993); none is removed.

    Where more than half of the samples are equal, the mean absolute deviation takes the place of the median's.
    """
    distance = np.abs(np.asarray(samples, dtype=float) - np.median(samples))
    spread = float(np.median(distance)) / 0.6745 or float(np.mean(distance)) * math.sqrt(math.pi / 2)
    return int(np.count_nonzero(distance > OUTLIER_Z * spread)) if spread else 0


def equality_tolerance(latency_ns: float, share: float = EQUAL_SHARE) -> float:
    """Return the share of a latency within which two latencies count as equal: the larger of `share` and 3 µs.

    Below 150 microseconds, 2% is less than a timer's honesty.
    """
    return max(share, EQUAL_NS / latency_ns)


def settled(values: Sequence[float], tolerance: float = 0.1) -> bool:
    """Return whether the noise of positive `values` has reached a plateau: the last two hardly changed its deviation.

    From there on only the square root of the count narrows the interval.
    """
    if len(values) < 4:
        return False
    logs = np.log(values)
    deviations = [float(np.std(logs[:end], ddof=1)) for end in (len(logs) - 2, len(logs) - 1, len(logs))]
    return max(deviations) <= (1 + tolerance) * min(deviations)
