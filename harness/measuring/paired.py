"""How much faster one subject is than another, from what was measured of both beside the same anchor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from harness.measuring import statistics
from harness.measuring.results import Measurement, ProcessRecord
from harness.measuring.statistics import Interval

#: Processes that measured both, from which on only these count; with fewer, the two are independent samples.
LEAST_PAIRS = 6

CONFIDENCE = 0.95


def speedup(slower: Measurement, faster: Measurement) -> Interval | None:
    """Return the latency of `slower` over that of `faster`: the geometric mean over processes with a 95% interval.

    Both are taken relative to the anchor of the same rounds (MEASURING section 2.4). Where the same processes measured
    both, their difference is taken in each, with Student's t interval over the processes; where they did not fit into
    one process, the interval is Welch's, of two independent samples. None where either has fewer than two processes.
    """
    pairs = _pairs(slower.records, faster.records)
    if len(pairs) >= LEAST_PAIRS:
        bounds = statistics.t_interval([one.log_ratio - other.log_ratio for one, other in pairs], CONFIDENCE)
    else:
        bounds = _welch(*([record.log_ratio for record in found.records] for found in (slower, faster)))
    return bounds and Interval(math.exp(bounds.estimate), math.exp(bounds.low), math.exp(bounds.high))


def _pairs(
    slower: Sequence[ProcessRecord], faster: Sequence[ProcessRecord]
) -> list[tuple[ProcessRecord, ProcessRecord]]:
    """Return the records that one process made: they have the anchor's samples in common."""
    others = {record.anchor_ns: record for record in faster}
    return [(record, others[record.anchor_ns]) for record in slower if record.anchor_ns in others]


def _welch(slower: Sequence[float], faster: Sequence[float]) -> Interval | None:
    if min(len(slower), len(faster)) < 2:
        return None
    estimate = float(np.mean(slower) - np.mean(faster))
    if np.ptp(slower) == np.ptp(faster) == 0:
        return Interval(estimate, estimate, estimate)
    bounds = stats.ttest_ind(slower, faster, equal_var=False).confidence_interval(CONFIDENCE)
    return Interval(estimate, float(bounds.low), float(bounds.high))
