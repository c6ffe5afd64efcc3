"""Limits on memory and energy, on a real device: what is measured when, and what cannot be answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devices import Device, Protocol, connect, load_profile
from harness.bank import create_bank
from harness.costs import ComplexityCounter
from harness.data import load_digits
from harness.deployment import Deployment
from harness.measuring import MeasurementError, Store
from harness.profiling.limited_costs import FITTED, fit_limited, least_of, limited, spread
from harness.profiling.pool import pool
from harness.results.device_results import DeviceResults
from harness.search import COMPUTE, ENERGY, LATENCY, MEMORY, parse_budgets
from harness.space import Architecture
from tests.boards.sysfs import make_fake_sysfs

BANK = create_bank("resnet8", ["a", "b"], (1, 16, 16))
COUNTER = ComplexityCounter(BANK)
FULL, SMALLEST = BANK.space.full, BANK.space.smallest
BRIEF = Protocol(energy_idle_s=0.5, energy_warmup_s=0.0, energy_steady_s=0.5)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with connect(load_profile("cpu").override(protocol=BRIEF), state=tmp_path / "state", lock_wait_s=0) as device:
        yield device


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.sqlite")


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return Deployment(BANK, load_digits(0)[0], 1)


def results(device: Device, text: str) -> DeviceResults:
    return DeviceResults(device.profile, "fp32", device.describe(), list(parse_budgets({MEMORY: text})))


def nothing(done: int, total: int) -> None:
    pass


def test_only_what_is_limited_is_looked_for() -> None:
    assert limited(parse_budgets({COMPUTE: "1", LATENCY: "5"})) == []
    assert limited(parse_budgets({COMPUTE: "1", ENERGY: "5", MEMORY: "1"})) == [MEMORY, ENERGY]


def test_a_spread_reaches_from_the_smallest_to_the_largest() -> None:
    archs = pool(BANK.space, COUNTER, 20, seed=0)
    chosen = spread(archs, COUNTER)
    assert (len(chosen), chosen[0], chosen[-1]) == (FITTED, SMALLEST, FULL)
    assert len(set(chosen)) == FITTED
    assert spread(archs[:3], COUNTER) == sorted(archs[:3], key=COUNTER.macs)


def test_memory_is_fitted_to_a_few_subnets(
    device: Device, store: Store, deployment: Deployment, tmp_path: Path
) -> None:
    subjects = {arch: deployment.shape(arch, tmp_path) for arch in pool(BANK.space, COUNTER, 10, seed=0)}
    found = results(device, "0.0001,1000")
    models = fit_limited(device, found, COUNTER, subjects, store, nothing)
    assert list(models) == ["memory"]
    assert found.memory_model is models["memory"]
    assert len(found.memory) == FITTED
    assert found.memory_model.predict(FULL) > 2 * found.memory_model.predict(SMALLEST)


def test_the_least_memory_is_the_smallest_subnet_s(
    device: Device, store: Store, deployment: Deployment, tmp_path: Path
) -> None:
    smallest, full = (deployment.shape(arch, tmp_path) for arch in (SMALLEST, FULL))
    least = least_of(MEMORY, device, smallest, full, store)
    most = least_of(MEMORY, device, full, full, store)
    assert least is not None
    assert most is not None
    assert 0 < least < most


def test_energy_without_a_sensor_cannot_be_limited(
    store: Store, deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIMDA_AGENT_ROOT", str(make_fake_sysfs(tmp_path / "pi", "raspberrypi5").root))
    smallest, full = (deployment.shape(arch, tmp_path) for arch in (SMALLEST, FULL))
    with (
        connect(load_profile("cpu"), state=tmp_path / "state", lock_wait_s=0) as device,
        pytest.raises(MeasurementError, match=r"^--energy-mj cannot be answered on cpu, .* no sensor: "),
    ):
        least_of(ENERGY, device, smallest, full, store)


def test_a_model_of_too_few_measured_subnets_is_refused(
    device: Device, store: Store, deployment: Deployment, tmp_path: Path
) -> None:
    archs: list[Architecture] = [FULL, SMALLEST, BANK.space.uniform(0.5)]
    subjects = {arch: deployment.shape(arch, tmp_path) for arch in archs}
    with pytest.raises(MeasurementError, match="memory could be measured of too few subnets on cpu: 4 different"):
        fit_limited(device, results(device, "5"), COUNTER, subjects, store, nothing)
