"""Limits on memory of finalists, on a real device: of which it is measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devices import Device, connect, load_profile
from harness.bank import create_bank
from harness.choosing.limited_finalists import measure_limited
from harness.costs import ComplexityCounter
from harness.data import load_digits
from harness.deployment import Deployment
from harness.measuring import Store, Subject
from harness.results import DeviceResults
from harness.search import COMPUTE, MEMORY, Candidate, Kind, Selection, parse_budgets
from harness.space import Architecture
from tests.choosing.test_finalists import measured

BANK = create_bank("resnet8", ["a", "b"], (1, 16, 16))
COUNTER = ComplexityCounter(BANK)
MIDDLE, SMALLEST = BANK.space.uniform(0.5), BANK.space.smallest


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with connect(load_profile("cpu"), state=tmp_path / "state", lock_wait_s=0) as device:
        yield device


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.sqlite")


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[Architecture, Subject]:
    deployment, folder = Deployment(BANK, load_digits(0)[0], 1), tmp_path_factory.mktemp("subnets")
    return {arch: deployment.shape(arch, folder) for arch in (MIDDLE, SMALLEST)}


def finalists(device: Device, options: dict[Kind, str]) -> tuple[DeviceResults, list[Selection]]:
    """Return two finalists of 1 ms for each budget, the wider one the better."""
    found = DeviceResults(device.profile, "fp32", device.describe(), list(parse_budgets(options)))
    found.add({arch: measured(1.0) for arch in (MIDDLE, SMALLEST)})
    found.upem = {MIDDLE: 0.1, SMALLEST: 0.2}
    best, second = (Candidate(arch, upem, 1, "greedy") for arch, upem in found.upem.items())
    return found, [Selection(budget, best, (second,)) for budget in found.budgets]


def nothing(done: int, total: int) -> None:
    pass


def test_the_best_is_measured_first_and_its_runner_up_only_where_it_fails(
    device: Device, store: Store, subjects: dict[Architecture, Subject]
) -> None:
    found, (tight, loose) = finalists(device, {MEMORY: "0.0001,1000"})
    measure_limited(device, found, [loose], COUNTER, subjects, store, nothing)
    assert list(found.memory) == [MIDDLE], "the best one keeps the limit, so the next is not looked at"
    measure_limited(device, found, [tight], COUNTER, subjects, store, nothing)
    assert set(found.memory) == {MIDDLE, SMALLEST}, "the best one fails, so its runner-up is measured too"


def test_a_finalist_that_misses_another_limit_is_not_measured(
    device: Device, store: Store, subjects: dict[Architecture, Subject]
) -> None:
    found, selections = finalists(device, {COMPUTE: "1/4000", MEMORY: "1000"})
    measure_limited(device, found, selections, COUNTER, subjects, store, nothing)
    assert found.memory == {}
