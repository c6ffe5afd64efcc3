"""How much faster: paired where one process measured both, honest where not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from harness.measuring import Measurement, ProcessRecord, Subject, speedup
from tests.measuring.records import record


def measurement(records: Sequence[ProcessRecord]) -> Measurement:
    return Measurement(Subject("s", Path("s.onnx"), "t"), tuple(records), "ok")


def processes(latencies: Sequence[float], anchors: Sequence[float]) -> list[ProcessRecord]:
    """One process for each pair of latencies of subject and anchor, in microseconds."""
    return [
        record(((round(own * 1000),) * 9,) * 5, ((round(anchor * 1000),) * 9,) * 5)
        for own, anchor in zip(latencies, anchors, strict=True)
    ]


@pytest.fixture
def noisy() -> tuple[list[float], list[float], list[float]]:
    """Latencies of a slower and a faster subject and of the anchor in eight processes, which swing by 20% together."""
    rng = np.random.default_rng(0)
    swing = np.exp(0.2 * rng.standard_normal(8))
    slower, faster, anchor = (ms * swing * np.exp(0.01 * rng.standard_normal(8)) for ms in (1300.0, 1000.0, 4000.0))
    return slower.tolist(), faster.tolist(), anchor.tolist()


def test_processes_that_measured_both_are_paired(noisy: tuple[list[float], list[float], list[float]]) -> None:
    slower, faster, anchor = noisy
    found = speedup(measurement(processes(slower, anchor)), measurement(processes(faster, anchor)[::-1]))
    expected = stats.ttest_rel(np.log(slower), np.log(faster)).confidence_interval(0.95)
    assert found is not None
    assert found.estimate == pytest.approx(stats.gmean(np.array(slower) / faster), rel=1e-4)
    assert [found.low, found.high] == pytest.approx([math.exp(expected.low), math.exp(expected.high)], rel=1e-4)
    assert 1.2 < found.low < found.high < 1.4


def test_a_process_of_one_alone_does_not_count_beside_pairs(
    noisy: tuple[list[float], list[float], list[float]],
) -> None:
    slower, faster, anchor = noisy
    both = speedup(measurement(processes(slower, anchor)), measurement(processes(faster, anchor)))
    more = [*processes(faster, anchor), *processes([9000.0], [3999.0])]
    assert speedup(measurement(processes(slower, anchor)), measurement(more)) == both


def test_without_enough_pairs_the_two_are_independent_samples_relative_to_their_anchors(
    noisy: tuple[list[float], list[float], list[float]],
) -> None:
    slower, faster, anchor = noisy
    later = [1.5 * ms for ms in anchor[:6]]
    found = speedup(
        measurement(processes(slower, anchor)), measurement(processes([1.5 * ms for ms in faster[:6]], later))
    )
    logs = [np.log(np.array(one) / other) for one, other in ((slower, anchor), (faster[:6], anchor[:6]))]
    expected = stats.ttest_ind(*logs, equal_var=False).confidence_interval(0.95)
    assert found is not None
    assert found.estimate == pytest.approx(math.exp(logs[0].mean() - logs[1].mean()), rel=1e-4)
    assert [found.low, found.high] == pytest.approx([math.exp(expected.low), math.exp(expected.high)], rel=1e-4)


def test_one_process_claims_nothing(noisy: tuple[list[float], list[float], list[float]]) -> None:
    slower, faster, anchor = noisy
    assert speedup(measurement(processes(slower, anchor)), measurement(processes(faster[:1], anchor[:1]))) is None
    assert speedup(measurement(()), measurement(processes(faster, anchor))) is None


def test_a_clock_without_any_noise_gives_an_interval_without_width() -> None:
    slower, faster = (measurement(processes([us] * 6, [400.0] * 6)) for us in (300.0, 200.0))
    found = speedup(slower, faster)
    assert found is not None
    assert found == pytest.approx((1.5, 1.5, 1.5))
