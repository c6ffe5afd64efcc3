"""What is compared with the FLOPs-chosen subnets, and what is said of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from devices import Precision, load_profile
from harness.bank import create_bank
from harness.choosing.comparisons import MOST_MORE, Rivals, compare, find_rivals, latency_by_macs
from harness.costs import ComplexityCounter, Observations
from harness.deployment import Answers
from harness.measuring import Measurement, Subject
from harness.report import Comparison
from harness.results.device_results import DeviceResults
from harness.search import COMPUTE, LATENCY, MODEL_SIZE, Candidate, Kind, parse_budgets
from harness.space import Architecture, arch_id
from tests.measuring.records import FINGERPRINT, record

FULL, WIDE, SLOW, FAST, NARROW = (1,), (2,), (3,), (4,), (5,)

#: UPEM, share of compute, ms as the cost model predicts it, MB of the file. The slow one has few multiply-adds; the
#: fast one has more of them, is faster, and loses less.
KNOWN: dict[Architecture, tuple[float, float, float, float]] = {
    FULL: (0.0, 1.0, 10.0, 4.0),
    WIDE: (0.05, 0.6, 8.0, 3.0),
    SLOW: (0.2, 0.24, 6.0, 1.0),
    FAST: (0.15, 0.3, 4.0, 2.0),
    NARROW: (0.5, 0.1, 2.0, 0.5),
}
CANDIDATES = [Candidate(arch, known[0], known[1], "greedy") for arch, known in KNOWN.items()]
COSTS = {
    COMPUTE: lambda arch: KNOWN[arch][1],
    LATENCY: lambda arch: KNOWN[arch][2],
    MODEL_SIZE: lambda arch: KNOWN[arch][3],
}


def found(options: dict[Kind, str], shortlisted: tuple[Architecture, ...] = tuple(KNOWN)) -> list[Rivals]:
    """Return the rivals, where multiply-adds alone say 10 ms for the full width and a share of that for its part."""
    return find_rivals(
        CANDIDATES, parse_budgets(options), COSTS, lambda arch: 10 * KNOWN[arch][1], shortlisted=shortlisted
    )


def archs(rivals: Rivals) -> tuple[Architecture, ...]:
    return rivals.flops_chosen.arch, rivals.faster.arch, rivals.better.arch if rivals.better else ()


class TestChoice:
    def test_for_a_share_of_compute_the_partners_may_have_more_multiply_adds(self) -> None:
        (rivals,) = found({COMPUTE: "1/4"})
        assert archs(rivals) == (SLOW, FAST, FAST)

    def test_for_a_latency_the_flops_chosen_is_what_multiply_adds_predict_to_keep_it(self) -> None:
        (rivals,) = found({LATENCY: "2.5"})
        assert archs(rivals) == (SLOW, FAST, FAST), "it really takes 6 ms"
        (rivals,) = found({LATENCY: "6.5"})
        assert archs(rivals) == (WIDE, WIDE, WIDE)

    def test_the_same_subnet_may_be_the_answer(self) -> None:
        (rivals,) = found({COMPUTE: "1/8"})
        assert archs(rivals) == (NARROW, NARROW, NARROW)

    def test_less_loss_at_the_same_latency_need_not_be_the_fastest(self) -> None:
        slower_still = Candidate((9,), 0.1, 0.4, "greedy")
        costs = {**COSTS, LATENCY: lambda arch: 5.0 if arch == (9,) else KNOWN[arch][2]}
        costs[COMPUTE] = lambda arch: 0.4 if arch == (9,) else KNOWN[arch][1]
        (rivals,) = find_rivals(
            [*CANDIDATES, slower_still], parse_budgets({COMPUTE: "1/4"}), costs, costs[COMPUTE], KNOWN
        )
        assert archs(rivals) == (SLOW, FAST, (9,))

    def test_nothing_is_compared_with_the_full_width_nor_where_multiply_adds_find_nothing(self) -> None:
        assert found({COMPUTE: "1"}) == []
        assert found({LATENCY: "0.5"}) == []
        assert [rivals.budget.label for rivals in found({COMPUTE: "1,1/4"})] == ["1/4"]

    def test_other_limits_hold_for_the_partners_too(self) -> None:
        (rivals,) = found({COMPUTE: "1/4", MODEL_SIZE: "1.5"})
        assert archs(rivals) == (SLOW, SLOW, SLOW), "the fast one's file is too large"
        (rivals,) = found({COMPUTE: "1/4", LATENCY: "2.5"})
        assert archs(rivals) == (SLOW, SLOW, SLOW), "beside a latency, compute is limited for its own sake"

    def test_no_budget_has_more_than_so_many_measured_for_it_alone(self) -> None:
        costs = {**COSTS, LATENCY: lambda arch: {(9,): 5.0}.get(arch) or KNOWN[arch][2]}
        costs[COMPUTE] = lambda arch: {(9,): 0.4}.get(arch) or KNOWN[arch][1]
        candidates = [*CANDIDATES, Candidate((9,), 0.1, 0.4, "greedy")]
        budgets = parse_budgets({COMPUTE: "1/4,0.245"})
        first, second = find_rivals(candidates, budgets, costs, costs[COMPUTE], ())
        assert archs(first) == (SLOW, FAST, ())
        assert len(set(first.archs)) == MOST_MORE
        assert archs(second) == (SLOW, FAST, (9,)), "what another budget has measured is free"


BANK = create_bank("resnet8", ["a", "b"], (1, 16, 16))
COUNTER = ComplexityCounter(BANK)


class Shares(ComplexityCounter):
    """Knows the hand-made candidates' shares of compute."""

    def compute_fraction(self, arch: Architecture) -> float:
        return KNOWN[arch][1]


def test_multiply_adds_alone_predict_a_constant_and_a_rate() -> None:
    space = COUNTER.space
    rng = np.random.default_rng(0)
    some = [space.full, space.smallest, *(space.sample(rng) for _ in range(4))]
    true = {arch: 0.2 + 0.8 * COUNTER.macs(arch) / COUNTER.macs(space.full) for arch in some}
    predict = latency_by_macs(Observations(5.0, (), tuple(true.items())), COUNTER)
    assert [predict(arch) for arch in some] == pytest.approx([5.0 * ratio for ratio in true.values()], rel=1e-6)


def measured(milliseconds: float) -> Measurement:
    """Six processes that the anchor tells apart, without noise."""
    rounds = ((round(milliseconds * 1e6),) * 200,) * 5
    records = tuple(record(rounds, ((10**7 + process,) * 200,) * 5) for process in range(6))
    return Measurement(Subject("s", Path("s.onnx"), "t"), records, "ok")


def results(precision: Precision = "fp32") -> DeviceResults:
    known = DeviceResults(load_profile("cpu"), precision, FINGERPRINT, list(parse_budgets({COMPUTE: "1/4"})))
    known.upem = {arch: values[0] for arch, values in KNOWN.items()}
    known.add({SLOW: measured(6.6), FAST: measured(4.4)})
    return known


def said(known: DeviceResults) -> Comparison:
    (comparison,) = compare(found({COMPUTE: "1/4"}), known, Shares(BANK), "model")
    return comparison


class TestAnswers:
    def test_say_how_much_faster_with_an_interval(self) -> None:
        comparison = said(results())
        assert (comparison.budget, comparison.flops_chosen, comparison.partner) == (
            "1/4",
            arch_id("model", SLOW),
            arch_id("model", FAST),
        )
        assert (comparison.flops_upem, comparison.partner_upem) == (0.2, 0.15)
        assert (comparison.flops_ms, comparison.partner_ms) == pytest.approx((6.6, 4.4))
        assert [comparison.low, comparison.speedup, comparison.high] == pytest.approx([1.5] * 3)
        assert comparison.same_latency is not None
        assert comparison.same_latency.partner == comparison.partner
        assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison

    def test_say_whether_the_flops_chosen_subnet_keeps_what_it_was_chosen_for(self) -> None:
        assert said(results()).flops_within == "yes"
        for limit, verdict in (("2.5", "no"), ("6.7", "yes")):
            (rivals,) = found({LATENCY: "2.5"})
            rivals = dataclasses.replace(rivals, budget=parse_budgets({LATENCY: limit})[0])
            (comparison,) = compare([rivals], results(), Shares(BANK), "model")
            assert comparison.flops_within == verdict

    def test_of_the_same_subnet_are_1_without_a_second_measurement(self) -> None:
        known = results()
        known.add({NARROW: measured(2.0)})
        (comparison,) = compare(found({COMPUTE: "1/8"}), known, Shares(BANK), "model")
        assert comparison.same
        assert (comparison.speedup, comparison.low, comparison.high) == (1, 1, 1)

    def test_have_no_number_where_one_failed(self) -> None:
        known = results()
        known.measured[FAST] = dataclasses.replace(known.measured[FAST], records=(), verdict="failed", reason="it fell")
        comparison = said(known)
        assert (comparison.speedup, comparison.partner_ms, comparison.reason) == (None, None, "it fell")
        assert comparison.flops_ms == pytest.approx(6.6)

    def test_have_no_number_where_one_answers_wrongly(self) -> None:
        known = results()
        known.answers = {SLOW: Answers(64, 1.0, 0.2), FAST: Answers(64, 0.5, 0.15)}
        comparison = said(known)
        assert comparison.speedup is None
        assert comparison.partner_upem is None
        assert "another class" in (comparison.reason or "")

    def test_have_no_number_where_quantising_turns_the_order_round(self) -> None:
        known = results("int8")
        known.answers = {SLOW: Answers(64, 1.0, 0.2), FAST: Answers(64, 1.0, 0.21)}
        comparison = said(known)
        assert comparison.speedup is None
        assert "higher UPEM" in (comparison.reason or "")
        known.answers[FAST] = Answers(64, 1.0, 0.2)
        assert said(known).speedup == pytest.approx(1.5)
