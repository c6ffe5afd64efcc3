"""Finalists: ordered by what is deployed, held to every limit by what was measured, replaced by the runner-up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devices import Precision, Protocol, load_profile
from harness.bank import create_bank
from harness.choosing.finalists import best_first, choose, shortfalls
from harness.costs import ComplexityCounter
from harness.deployment import Answers
from harness.measuring import EnergyRecord, Measurement, MeasurementError, MemoryRecord, Subject
from harness.results.device_results import DeviceResults
from harness.search import (
    ENERGY,
    LATENCY,
    MEMORY,
    MODEL_SIZE,
    Candidate,
    InfeasibleBudget,
    Kind,
    Selection,
    parse_budgets,
)
from harness.space import Architecture
from tests.measuring.records import FINGERPRINT, record

COUNTER = ComplexityCounter(create_bank("resnet8", ["a", "b"], (1, 16, 16)))
BEST, SECOND = COUNTER.space.full, COUNTER.space.smallest
PASS: dict[str, Any] = {
    "uid": "u",
    "topology": "t",
    "batch_size": 1,
    "precision": "fp32",
    "fingerprint": FINGERPRINT,
    "protocol": Protocol(),
    "recorded_at": "2024-01-01T00:00:00.000+00:00",
}


def memory(peak_mb: float | None, reason: str = "") -> MemoryRecord:
    return MemoryRecord(**PASS, peak_mb=peak_mb, reason=reason)


def energy(energy_mj: float | None, reason: str = "") -> EnergyRecord:
    return EnergyRecord(**PASS, energy_mj=energy_mj, reason=reason)


def measured(milliseconds: float) -> Measurement:
    nanoseconds = round(milliseconds * 1e6)
    subject = Subject("s", Path("s.onnx"), "t")
    return Measurement(subject, tuple(record(((nanoseconds,) * 200,) * 5) for _ in range(6)), "ok")


def results(options: dict[Kind, str], precision: Precision = "fp32") -> tuple[DeviceResults, Selection]:
    """Return two finalists of 1 ms, the best first, chosen for one budget."""
    (budget,) = parse_budgets(options)
    found = DeviceResults(load_profile("cpu"), precision, FINGERPRINT, [budget])
    found.add({BEST: measured(1.0), SECOND: measured(1.0)})
    found.upem = {BEST: 0.1, SECOND: 0.2}
    return found, Selection(budget, Candidate(BEST, 0.1, 1, "greedy"), (Candidate(SECOND, 0.2, 1, "greedy"),))


def answered(found: DeviceResults, selection: Selection) -> tuple[Architecture, list[str]]:
    """Choose, and return what was chosen and what is wrong with it."""
    found.chosen = choose([selection], found, COUNTER)
    return found.chosen[selection.budget], [str(problem) for problem in shortfalls([selection], found, COUNTER)]


@pytest.mark.parametrize("kind", [MEMORY, ENERGY])
class TestMeasuredLimits:
    def limited(
        self, kind: Kind, best: MemoryRecord | EnergyRecord, second: MemoryRecord | EnergyRecord
    ) -> tuple[Architecture, list[str]]:
        found, selection = results({kind: "30", LATENCY: "10"})
        for arch, one in ((BEST, best), (SECOND, second)):
            if isinstance(one, MemoryRecord):
                found.memory[arch] = one
            else:
                found.energy[arch] = one
        return answered(found, selection)

    def of(self, kind: Kind, figure: float | None, reason: str = "") -> MemoryRecord | EnergyRecord:
        return memory(figure, reason) if kind == MEMORY else energy(figure, reason)

    def test_are_kept_by_the_measured_value(self, kind: Kind) -> None:
        assert self.limited(kind, self.of(kind, 30.0), self.of(kind, 1.0)) == (BEST, [])

    def test_a_finalist_that_was_measured_above_gives_way_to_the_runner_up(self, kind: Kind) -> None:
        assert self.limited(kind, self.of(kind, 30.1), self.of(kind, 29.0)) == (SECOND, [])

    def test_a_limit_that_all_miss_is_named_with_the_nearest(self, kind: Kind) -> None:
        _, (problem,) = self.limited(kind, self.of(kind, 60.0), self.of(kind, 31.0))
        label = parse_budgets({kind: "30", LATENCY: "10"})[0].label
        near = "1ms and 31MB" if kind == MEMORY else "1ms and 31mJ"
        assert problem == f"budget {label} cannot be met: the nearest finalist measured on cpu needs {near}"

    def test_what_could_not_be_measured_is_undecided_and_says_why(self, kind: Kind) -> None:
        chosen, (problem,) = self.limited(kind, self.of(kind, None, "no sensor"), self.of(kind, 99.0))
        assert chosen == BEST
        assert problem.endswith("is kept on cpu is undecided: no sensor")

    def test_one_that_surely_keeps_it_comes_before_one_that_may(self, kind: Kind) -> None:
        assert self.limited(kind, self.of(kind, None, "no sensor"), self.of(kind, 29.0)) == (SECOND, [])


def test_a_miss_and_an_open_question_have_their_exit_codes() -> None:
    found, selection = results({MEMORY: "30"})
    found.memory = {BEST: memory(31.0), SECOND: memory(32.0)}
    found.chosen = choose([selection], found, COUNTER)
    assert [type(problem) for problem in shortfalls([selection], found, COUNTER)] == [InfeasibleBudget]
    found.memory = {BEST: memory(None, "it fell"), SECOND: memory(32.0)}
    found.chosen = choose([selection], found, COUNTER)
    assert [type(problem) for problem in shortfalls([selection], found, COUNTER)] == [MeasurementError]


def test_model_size_is_that_of_the_file() -> None:
    found, selection = results({MODEL_SIZE: "2"})
    found.model_bytes = {BEST: 2_000_001, SECOND: 2_000_000}
    assert answered(found, selection) == (SECOND, [])
    found.model_bytes = {BEST: 2_000_000, SECOND: 1}
    assert answered(found, selection) == (BEST, [])


def test_order_is_by_upem_as_deployed() -> None:
    answers = {BEST: Answers(64, 0.95, 0.3), SECOND: Answers(64, 0.95, 0.25)}
    found, selection = results({LATENCY: "10"}, "int8")
    found.answers = answers
    assert best_first(selection, found) == [SECOND, BEST]
    in_float, selection = results({LATENCY: "10"})
    in_float.answers = {arch: Answers(64, 1.0, answer.upem) for arch, answer in answers.items()}
    assert best_first(selection, in_float) == [BEST, SECOND]


def test_what_answers_wrongly_or_was_not_measured_is_no_finalist() -> None:
    found, selection = results({LATENCY: "10"}, "int8")
    found.answers = {BEST: Answers(64, 0.5, 0.1), SECOND: Answers(64, 0.95, 0.2)}
    assert best_first(selection, found) == [SECOND]
    found.measured[SECOND] = Measurement(found.measured[SECOND].subject, (), "failed", "it broke")
    assert best_first(selection, found) == []
