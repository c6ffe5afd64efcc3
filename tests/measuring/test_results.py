import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measuring import LatencySummary, Measurement, ProcessRecord, Subject, within_budget
from harness.measuring.results import summarise
from tests.measuring.records import record

process = st.lists(st.lists(st.integers(1000, 10**7), min_size=1, max_size=9), min_size=1, max_size=5)


@given(st.lists(process, min_size=2, max_size=8))
def test_the_estimate_is_the_median_over_processes_of_each_one_s_median(processes: list[list[list[int]]]) -> None:
    found = summarise([record(rounds) for rounds in processes])
    medians = [np.percentile([s for r in rounds for s in r], 50, method="inverted_cdf") for rounds in processes]
    assert found.p50_ms == pytest.approx(np.median(medians) / 1e6)
    assert found.ci_low_ms is not None
    assert found.ci_high_ms is not None
    assert found.ci_low_ms <= found.p50_ms * (1 + 1e-9)
    assert found.ci_high_ms >= found.p50_ms * (1 - 1e-9)
    assert (found.processes, found.rounds) == (len(processes), sum(map(len, processes)))
    assert found.samples == sum(len(samples) for rounds in processes for samples in rounds)
    assert found.ratio == pytest.approx(0.5)


def test_one_process_claims_no_interval_however_many_samples_it_has() -> None:
    found = summarise([record([list(range(1000, 2000))] * 5)])
    assert found.exploring
    assert (found.ci_low_ms, found.ci_high_ms, found.ratio_low, found.ratio_high) == (None,) * 4
    assert found.p99_ms is not None


@pytest.mark.parametrize(
    ("count", "p90", "p99"), [(63, False, False), (64, True, False), (661, True, False), (662, True, True)]
)
def test_percentiles_stay_empty_below_their_sample_count(count: int, p90: bool, p99: bool) -> None:
    found = summarise([record([list(range(1, count + 1))])])
    assert (found.p90_ms is not None, found.p99_ms is not None) == (p90, p99)


def test_the_ratio_is_the_geometric_mean_over_processes() -> None:
    found = summarise([record([[10]], [[20]]), record([[80]], [[40]])])
    assert found.ratio == pytest.approx(1.0)
    assert found.ratio_low is not None
    assert found.ratio_high is not None
    assert found.ratio_low * found.ratio_high == pytest.approx(1.0)
    assert found.ratio_high > math.sqrt(2)


def test_what_failed_has_no_number() -> None:
    failed = Measurement(Subject("x", Path("x.onnx"), "t"), (), "failed", "the engine failed")
    assert failed.summary is None
    assert failed.fingerprint is None
    assert within_budget(failed.summary, 1e9) == "no"


def summary(p50: float, low: float | None, high: float | None) -> LatencySummary:
    return LatencySummary(p50, low, high, None, None, 1.0, 1, 1, 1, 1.0, None, None, 0)


@pytest.mark.parametrize(
    ("figures", "answer"),
    [
        ((9.0, 8.5, 9.9), "yes"),
        ((9.0, 8.5, 10.0), "yes"),
        ((9.0, 8.5, 10.1), "borderline"),
        ((10.5, 9.9, 11.0), "borderline"),
        ((11.0, 10.1, 12.0), "no"),
        ((9.0, None, None), "borderline"),
        ((11.0, None, None), "no"),
    ],
)
def test_a_budget_of_ten_is_met_by_the_upper_bound_alone(figures: tuple[float, float, float], answer: str) -> None:
    assert within_budget(summary(*figures), 10.0) == answer


def test_device_times_are_summarised_only_where_every_process_has_them() -> None:
    with_events = record(compute_ns=((7, 8, 9),) * 5)
    assert summarise([with_events, with_events]).compute_p50_ms == pytest.approx(8e-6)
    assert summarise([with_events, record()]).compute_p50_ms is None
    assert summarise([record(compute_ns=((),) * 5)]).compute_p50_ms is None


def test_the_spread_of_builds_is_that_of_their_medians_and_unknown_for_one() -> None:
    def build(number: int, latency: int) -> ProcessRecord:
        return record([[latency]] * 5, build=number)

    assert summarise([build(0, 100), build(0, 120)]).build_spread is None
    found = summarise([build(0, 100), build(1, 110), build(2, 104), build(0, 102), build(1, 112), build(2, 104)])
    assert found.build_spread == pytest.approx(111 / 101 - 1)
