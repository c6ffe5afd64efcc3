"""What the page's script is given: thinned where it must be, complete where figures come from it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from harness.report import Moment, ProcessSamples, Row, SubnetSamples, mark_front
from harness.report.cost_models import CostModelRecord, Unseen
from harness.report.page.facts import RunFacts
from harness.report.page.payload import payload, script_safe
from harness.report.page.points import MOST, fronts, points, thinned
from harness.report.page.timing import MOST_DOTS, MOST_MOMENTS, history, timing

from .factory import row, tradeoff, unmeasured
from .facts import at, run_facts, samples_of


def many(count: int) -> list[Row]:
    """Return more candidates than a page draws; only some are measured."""
    rows = tradeoff(candidates=count)
    predicted = [
        unmeasured(own, cost_source="predicted", predicted_ms=own.host_p50_ms) if place % 10 and place < count else own
        for place, own in enumerate(rows)
    ]
    return mark_front(predicted)


def of_subnet(*processes: ProcessSamples) -> SubnetSamples:
    return SubnetSamples("cpu", "fp32", 1, "0" * 12, processes)


def test_json_in_a_script_element_cannot_end_it() -> None:
    hostile = {"</script><!--<script>": "\u2028</SCRIPT>"}
    text = script_safe(hostile)
    assert "<" not in text
    assert json.loads(text) == hostile


def test_json_that_no_browser_reads_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        script_safe(float("nan"))


def test_a_prediction_that_excludes_nothing_has_no_interval() -> None:
    bounded = Unseen(widths="8-8", predicted_ms=1.0, low_ms=0.5, high_ms=2.0, measured_ms=1.1)
    unbounded = bounded.model_copy(update={"low_ms": 0.0, "high_ms": float("inf")})
    model = CostModelRecord.model_construct(unseen=[bounded, unbounded])
    data = payload(tradeoff(), {}, {"cpu": model}, RunFacts())
    assert [(own["low"], own["high"]) for own in data["unseen"]["cpu"]] == [(0.5, 2.0), (None, None)]
    assert script_safe(data)


def test_thinning_keeps_what_was_chosen_measured_or_is_on_the_front_and_the_order() -> None:
    rows = many(MOST + 2000)
    kept = thinned(rows, {})
    assert len(kept) == MOST
    matter = [own for own in rows if own.selected == "yes" or own.on_front == "yes" or own.cost_source == "measured"]
    places = {own.arch_id for own in kept}
    assert all(own.arch_id in places for own in matter)
    assert [own.arch_id for own in rows if own.arch_id in places] == [own.arch_id for own in kept]


def test_few_rows_are_all_there() -> None:
    rows = tradeoff()
    assert thinned(rows, {}) == rows


def test_what_is_unknown_is_absent_and_a_failure_has_no_latency() -> None:
    failed = unmeasured(row(), status="failed", reason="no memory", predicted_ms=1.0)
    predicted = unmeasured(row(), cost_source="predicted", predicted_ms=0.5)
    first, second = points([failed, predicted], {})
    assert "ms" not in first
    assert (second["ms"], second["source"]) == (0.5, "predicted")
    assert not {"mb", "mj", "accuracy", "file"} & set(second)


def test_fronts_are_of_each_series_and_pair_of_axes() -> None:
    rows = mark_front([*tradeoff(labels=True), *tradeoff(device="pi5", labels=True)])
    found = fronts(rows, {})
    by_latency = found["latency/upem"]
    assert [rows[i].device for i in by_latency[0]] == ["cpu"] * len(by_latency[0])
    assert by_latency[0] == [i for i in by_latency[0] if rows[i].on_front == "yes"]
    accurate = [rows[i].target_accuracy or 0.0 for i in found["macs/accuracy"][0]]
    assert accurate == sorted(accurate)
    assert found["energy/upem"] == [[], []]


def test_every_raw_sample_is_in_the_histogram_or_counted_beyond_it() -> None:
    found = timing(samples_of(row(), processes=10, rounds=20, each=30))
    assert found is not None
    histogram = found["histogram"]
    assert sum(histogram["counts"]) + histogram["beyond"] == histogram["samples"] == 6000
    assert 0 < histogram["beyond"] <= 60
    assert len(histogram["edges"]) == len(histogram["counts"]) + 1


def test_single_samples_are_thinned_and_medians_are_of_all() -> None:
    rounds = [[1_000_000] * 29 + [9_000_000]] * 200
    found = timing(of_subnet(ProcessSamples(at(0), rounds, rounds)))
    assert found is not None
    assert found["every"] == 5
    assert len(found["dots"]["ms"]) <= MOST_DOTS
    assert found["medians"] == found["anchor"] == [1.0] * 200


def test_equal_samples_and_rounds_without_an_anchor_are_drawn_too() -> None:
    found = timing(of_subnet(ProcessSamples(at(0), [[5_000, 5_000], []], [])))
    assert found is not None
    assert found["anchor"] == [None]
    assert sum(found["histogram"]["counts"]) == 2
    assert timing(of_subnet()) is None
    assert timing(of_subnet(ProcessSamples(at(0), [[]], [[]]))) is None


def test_what_a_device_never_tells_is_absent_from_its_history() -> None:
    found = history([Moment(at(place), 0.1, hottest_c=(50.0, 51.0) if place else None) for place in range(3)])
    assert found["hottest_c"] == [None, [50.0, 51.0], [50.0, 51.0]]
    assert not {"cpu_mhz", "gpu_mhz", "power_w", "others_load"} & set(found)
    long = history([Moment(at(place), 0.1) for place in range(5000)])
    assert len(long["ended"]) <= MOST_MOMENTS
    assert (long["processes"], long["every"]) == (5000, 7)


def test_samples_belong_to_the_row_of_their_device_precision_and_batch() -> None:
    rows = tradeoff(candidates=2)
    int8 = [dataclasses.replace(own, precision="int8") for own in rows]
    data: dict[str, Any] = payload([*int8, *rows], {}, {}, run_facts(rows))
    assert sorted(data["timing"]) == [i for i, own in enumerate([*int8, *rows]) if own in rows and own.budget]
    assert data["history"].keys() == {"cpu"}


def test_a_large_run_stays_small() -> None:
    """Eight devices: 8,000 rows, 56 subnets of 15,000 raw samples each."""
    rows = [own for place in range(8) for own in tradeoff(device=f"board {place}", candidates=1000)]
    rng = np.random.default_rng(0)
    noise = rng.integers(90_000, 200_000, (100, 30)).tolist()
    samples = [
        SubnetSamples(own.device, "fp32", 1, own.arch_id, [ProcessSamples(at(n), noise, noise) for n in range(5)])
        for own in rows
        if own.selected == "yes"
    ]
    text = script_safe(payload(rows, {}, {}, RunFacts(samples=samples)))
    assert len(text) < 3_000_000, "with Plotly the page would exceed 8 MB"
