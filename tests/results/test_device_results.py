"""What is known of one device: what keeps a budget, what a subnet loses as it is deployed, and which files stay."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from devices import Precision, load_profile
from harness.bank import create_bank
from harness.costs import ComplexityCounter
from harness.deployment import Answers
from harness.measuring import Measurement, Subject
from harness.results import BaselineResult, DeviceResults
from harness.results.device_results import worst
from harness.search import COMPUTE, LATENCY, MODEL_SIZE, Kind, parse_budgets
from harness.space import arch_id
from tests.measuring.records import FINGERPRINT, record

COUNTER = ComplexityCounter(create_bank("resnet8", ["a", "b"], (1, 16, 16)))
FULL, SMALLEST = COUNTER.space.full, COUNTER.space.smallest


def results(options: dict[Kind, str], precision: Precision = "fp32") -> DeviceResults:
    """Return those of a device on which the full width takes 1 ms and nothing else is known."""
    found = DeviceResults(load_profile("cpu"), precision, FINGERPRINT, list(parse_budgets(options)))
    one_ms = tuple(record(((1_000_000,) * 200,) * 5) for _ in range(6))
    found.add({FULL: Measurement(Subject("s", Path("s.onnx"), "t"), one_ms, "ok")})
    return found


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ({LATENCY: "2"}, "yes"),
        ({LATENCY: "0.5"}, "no"),
        ({LATENCY: "2", COMPUTE: "1"}, "yes"),
        ({LATENCY: "2", COMPUTE: "1/2"}, "no"),
        ({LATENCY: "2", MODEL_SIZE: "1"}, "borderline"),
        ({LATENCY: "0.5", MODEL_SIZE: "1"}, "no"),
    ],
)
def test_a_budget_is_kept_as_well_as_its_worst_limit(options: dict[Kind, str], verdict: str) -> None:
    found = results(options)
    assert found.verdict(found.budgets[0], FULL, COUNTER) == verdict


def test_the_worst_of_verdicts() -> None:
    assert worst(["yes", "borderline"]) == "borderline"
    assert worst(["borderline", "no", "yes"]) == "no"


def test_what_was_not_found_out_is_never_a_number() -> None:
    spent = results({LATENCY: "2"}).spent(SMALLEST, COUNTER)
    assert spent.pop(COMPUTE) == COUNTER.compute_fraction(SMALLEST)
    assert all(math.isnan(cost) for cost in spent.values())


def test_upem_as_deployed_is_the_bank_s_in_float32_and_else_of_the_device_s_own_answers() -> None:
    in_float, in_int8 = results({LATENCY: "2"}), results({LATENCY: "2"}, "int8")
    for found in (in_float, in_int8):
        found.upem = {FULL: 0.1}
        found.answers = {FULL: Answers(64, 1.0, 0.3)}
    assert (in_float.deployed_upem(FULL), in_int8.deployed_upem(FULL)) == (0.1, 0.3)
    in_int8.answers.clear()
    assert in_int8.deployed_upem(FULL) is None
    in_float.answers = {FULL: Answers(64, 0.2, 0.3)}
    assert in_float.deployed_upem(FULL) is None, "it is answered wrongly"


def test_files_that_stay_are_those_of_the_chosen_and_of_baselines_that_could_be_exported() -> None:
    found = results({LATENCY: "2"})
    found.chosen = {found.budgets[0]: FULL}
    found.baselines = [
        BaselineResult("one", "exported", (1,), 1, 1, model_bytes=5),
        BaselineResult("two", "not exported", (1,), 1, 1, problem="it cannot be"),
    ]
    assert found.kept("resnet8") == [arch_id("resnet8", FULL), "exported"]
