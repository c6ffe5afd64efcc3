import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from harness.measuring import statistics

latencies = st.integers(1, 10**10)
samples = st.lists(latencies, min_size=1, max_size=200)
positive = st.floats(1e-3, 1e6)


@given(samples, st.integers(1, 100))
def test_a_percentile_is_the_nearest_rank_order_statistic(values: list[int], percent: int) -> None:
    found = statistics.percentile(values, percent)
    assert found in values
    assert found == sorted(values)[math.ceil(percent * len(values) / 100) - 1]
    assert found == np.percentile(values, percent, method="inverted_cdf")


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1], 0), ([1], 101)])
def test_a_percentile_of_nothing_or_beyond_the_samples_is_refused(values: list[int], percent: int) -> None:
    with pytest.raises(ValueError, match="percentile"):
        statistics.percentile(values, percent)


@pytest.mark.parametrize(("percent", "needed"), [(90, 64), (99, 662)])
def test_a_percentile_is_given_from_exactly_the_samples_it_needs(percent: int, needed: int) -> None:
    assert statistics.supported_percentile(range(needed - 1), percent) is None
    assert statistics.supported_percentile(range(needed), percent) == math.ceil(percent * needed / 100) - 1


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=30), st.sampled_from([0.5, 0.9, 0.95]))
def test_the_t_interval_is_scipy_s(values: list[float], confidence: float) -> None:
    assume(np.std(values) > 1e-6)
    found = statistics.t_interval(values, confidence)
    reference = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), rel=1e-6, abs=1e-9)


@given(st.lists(positive, min_size=2, max_size=12), st.floats(0.01, 100))
def test_the_interval_of_a_median_holds_it_and_scales_with_the_unit(values: list[float], factor: float) -> None:
    found = statistics.median_interval(values)
    scaled = statistics.median_interval([value * factor for value in values])
    assert found is not None
    assert scaled is not None
    assert found.low <= found.estimate <= found.high
    assert found.estimate == pytest.approx(np.median(values))
    assert scaled == pytest.approx([factor * bound for bound in found], rel=1e-6)


def test_one_process_has_no_interval() -> None:
    assert statistics.median_interval([3.0]) is None
    assert statistics.t_interval([3.0], 0.95) is None


def test_equal_processes_have_an_interval_without_width() -> None:
    interval = statistics.median_interval([5.0] * 6)
    assert interval is not None
    assert interval.half_width == pytest.approx(0, abs=1e-12)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    runs = [statistics.median_interval(np.exp(rng.normal(0, 0.08, 6)).tolist()) for _ in range(2000)]
    share = np.mean([run is not None and run.low <= 1 <= run.high for run in runs])
    assert 0.94 <= share <= 0.97


@given(st.lists(st.tuples(latencies, latencies), min_size=1, max_size=9), st.integers(2, 50))
def test_a_ratio_to_the_anchor_cancels_what_slows_a_whole_round(rounds: list[tuple[int, int]], factor: int) -> None:
    slowed = [(factor, factor) if index % 2 else (1, 1) for index in range(len(rounds))]
    subject = [[s * slow] for (s, _), (slow, _) in zip(rounds, slowed, strict=True)]
    anchor = [[a * slow] for (_, a), (_, slow) in zip(rounds, slowed, strict=True)]
    expected = np.median([math.log(s / a) for s, a in rounds])
    assert statistics.log_ratio(subject, anchor) == pytest.approx(expected)


def test_a_ratio_of_rounds_that_do_not_match_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        statistics.log_ratio([[1], [2]], [[1]])


@given(st.lists(latencies, min_size=3, max_size=100), st.integers(1, 1000), st.integers(0, 10**6))
def test_outliers_depend_neither_on_unit_nor_on_offset(values: list[int], factor: int, offset: int) -> None:
    assert statistics.outliers([factor * value + offset for value in values]) == statistics.outliers(values)


def test_outliers_are_what_lies_ten_median_deviations_out() -> None:
    body = [100 + d for d in (-2, -1, 0, 1, 2)] * 20
    deviation = 1.4826  # of a body whose median absolute deviation is 1
    assert statistics.outliers([*body, 100 + math.floor(14 * deviation)]) == 0
    assert statistics.outliers([*body, 100 + math.ceil(15 * deviation), 10_000]) == 2


def test_equal_samples_have_no_outliers_but_a_stranger_among_them_is_one() -> None:
    assert statistics.outliers([7] * 50) == 0
    assert statistics.outliers([7] * 50 + [7000]) == 1


def test_noise_has_settled_when_further_processes_no_longer_change_it() -> None:
    assert not statistics.settled([1.0, 1.1, 0.9])
    assert statistics.settled([1.0, 1.1, 0.9, 1.08, 0.93, 1.07, 0.94])
    assert not statistics.settled([1.0, 1.01, 0.99, 1.0, 1.0, 1.6])


@given(st.floats(1, 1e9))
def test_the_tolerance_is_the_larger_of_two_percent_and_three_microseconds(latency_ns: float) -> None:
    allowed_ns = statistics.equality_tolerance(latency_ns) * latency_ns
    assert allowed_ns == pytest.approx(max(0.02 * latency_ns, 3000))
