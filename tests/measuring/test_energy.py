from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import Device, DeviceProfile
from devices.telemetry import EnergyReadings, PowerReading, SteadyReading
from harness.measuring import EnergyRecord, Store, Subject, measure_energy
from harness.measuring.energy import Sensor, evaluate, joules, sensor_for
from tests.boards.sysfs import RAPL, FakeBoard, make_fake_sysfs
from tests.devices.faults import faulty_device
from tests.measuring.conftest import QUICK
from tests.measuring.records import reading

SHORT = QUICK.model_copy(update={"energy_idle_s": 0.5, "energy_warmup_s": 0.1, "energy_steady_s": 0.8})

watts = st.floats(0, 1000)
series = st.lists(st.tuples(st.floats(0.01, 2), watts), min_size=5, max_size=40)


def power(at_s: float, value: float | None, **changes: Any) -> dict[str, Any]:
    return {"at_s": at_s, "power_w": value, "gpu_power_w": None, "energy_j": {}, **changes}


def idle(values: list[float | None], step_s: float = 0.1) -> tuple[PowerReading, ...]:
    return tuple(PowerReading(**power(step_s * index, value)) for index, value in enumerate(values))


def steady(values: list[float | None], runs: int, step_s: float = 0.1, busy: float = 0.98) -> tuple[SteadyReading, ...]:
    """Readings with so many runs between one and the next."""
    return tuple(
        SteadyReading(**power(step_s * index, value), runs=runs * index, busy_ns=round(busy * step_s * index * 1e9))
        for index, value in enumerate(values)
    )


@given(series)
def test_energy_is_the_area_under_the_power(steps: list[tuple[float, float]]) -> None:
    moments = np.cumsum([step for step, _ in steps])
    values = [value for _, value in steps]
    readings = [PowerReading(**power(at_s, value)) for at_s, value in zip(moments, values, strict=True)]
    naive = sum((moments[i + 1] - moments[i]) * (values[i] + values[i + 1]) / 2 for i in range(len(values) - 1))
    assert joules(readings, "power_w") == pytest.approx(naive)
    assert joules(readings, "power_w") == pytest.approx(np.trapezoid(values, moments))


@given(series, st.floats(0.1, 10), st.floats(-100, 100))
def test_energy_grows_with_the_power_and_knows_no_origin_of_time(
    steps: list[tuple[float, float]], factor: float, offset: float
) -> None:
    moments = np.cumsum([step for step, _ in steps])
    values = [value for _, value in steps]
    plain = [PowerReading(**power(t, v)) for t, v in zip(moments, values, strict=True)]
    scaled = [PowerReading(**power(t + offset, factor * v)) for t, v in zip(moments, values, strict=True)]
    assert joules(scaled, "power_w") == pytest.approx(factor * joules(plain, "power_w"), abs=1e-6)


@given(st.floats(1, 50), st.floats(0.1, 50), st.integers(1, 100), st.integers(1, 64))
def test_a_steady_load_costs_its_power_above_idle_times_its_time(
    idle_w: float, extra_w: float, runs: int, batch_size: int
) -> None:
    readings = EnergyReadings(idle=idle([idle_w] * 20), steady=steady([idle_w + extra_w] * 50, runs))
    found = evaluate(readings, "power_w", batch_size)
    assert found["energy_mj"] == pytest.approx(1e3 * extra_w * 0.1 / runs / batch_size, rel=1e-6)
    assert (found["idle_w"], found["steady_w"]) == pytest.approx((idle_w, idle_w + extra_w))


@pytest.mark.parametrize("running_w", [5.0, 4.0])
def test_what_is_not_above_idle_is_unknown_never_zero_or_negative(running_w: float) -> None:
    found = evaluate(EnergyReadings(idle=idle([5.0] * 9), steady=steady([running_w] * 9, 10)), "power_w", 1)
    assert "energy_mj" not in found
    assert "was not above that of the idle device" in found["reason"]


def test_readings_in_which_the_sensor_failed_are_bridged() -> None:
    readings = EnergyReadings(idle=idle([2.0] * 9), steady=steady([4.0, None, 4.0, 4.0, None, 4.0, 4.0], 10))
    assert evaluate(readings, "power_w", 1)["energy_mj"] == pytest.approx(1e3 * 2 * 0.1 / 10)


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        (EnergyReadings(idle=idle([2.0] * 4), steady=steady([4.0] * 9, 1)), "4 times idle and 9 times running"),
        (EnergyReadings(idle=idle([2.0] * 9), steady=steady([4.0, *[None] * 8], 1)), "1 times running"),
        (EnergyReadings(idle=idle([2.0] * 9), steady=steady([4.0] * 9, 1, busy=0.1)), "ran for 10% of the window"),
        (EnergyReadings(idle=idle([2.0] * 9), steady=steady([4.0] * 9, 0)), "stood still"),
        (EnergyReadings(idle=idle([2.0] * 9, 0.0), steady=steady([4.0] * 9, 1)), "stood still"),
    ],
)
def test_windows_that_tell_nothing_are_unknown_with_a_reason(readings: EnergyReadings, words: str) -> None:
    found = evaluate(readings, "power_w", 1)
    assert "energy_mj" not in found
    assert words in found["reason"]


def test_counters_are_read_by_their_difference_and_may_begin_anew() -> None:
    counts = [90.0, 95.0, 3.0, 8.0]
    readings = [PowerReading(**power(t, None, energy_j={"package-0": (c, 100.0)})) for t, c in enumerate(counts)]
    assert joules(readings, "energy_j") == pytest.approx(18)


@given(st.lists(st.floats(0, 99), min_size=2, max_size=30), st.floats(0, 100))
def test_a_counter_tells_the_same_wherever_it_began(steps: list[float], start: float) -> None:
    def readings(begin: float) -> list[PowerReading]:
        counts = begin + np.cumsum([0.0, *steps])
        return [
            PowerReading(**power(t, None, energy_j={"package-0": (count % 100, 100.0), "package-1": (count, 1e9)}))
            for t, count in enumerate(counts)
        ]

    assert joules(readings(start), "energy_j") == pytest.approx(2 * sum(steps), abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "on_gpu", "sensor"),
    [
        ({"power_w": 5, "gpu_power_w": 70, "energy_j": {"package-0": (1, 2)}}, True, "power_w"),
        ({"power_w": 5, "energy_j": {"package-0": (1, 2)}}, False, "power_w"),
        ({"gpu_power_w": 70, "energy_j": {"package-0": (1, 2)}}, True, "gpu_power_w"),
        ({"gpu_power_w": 70, "energy_j": {"package-0": (1, 2)}}, False, "energy_j"),
        ({"gpu_power_w": 70}, False, None),
        ({"energy_j": {"package-0": (1, 2)}}, True, None),
        ({}, False, None),
    ],
)
def test_the_sensor_is_one_that_sees_the_engine_s_work(
    changes: dict[str, Any], on_gpu: bool, sensor: Sensor | None
) -> None:
    assert sensor_for(reading(**changes), on_gpu=on_gpu) == sensor


def test_without_a_sensor_there_is_a_reason_and_nothing_runs(
    profile: DeviceProfile, store: Store, tmp_path: Path, narrow: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make_fake_sysfs(tmp_path / "board", "raspberrypi4")
    monkeypatch.setenv("SLIMDA_AGENT_ROOT", str(board.root))
    with faulty_device(profile, tmp_path, "agent.server.Server._energy = lambda *_: os.abort()") as device:
        found = measure_energy(device, narrow, store=store)
    assert found.energy_mj is None
    assert found.reason == (
        "no sensor: there is no INA3221 power sensor with a connected channel; "
        "there is no energy counter of the processor"
    )
    assert store.latest(found.fingerprint, narrow, EnergyRecord) == found


@pytest.fixture
def orin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    board = make_fake_sysfs(tmp_path / "board", "jetson-orin-nano")
    monkeypatch.setenv("SLIMDA_AGENT_ROOT", str(board.root))
    return board


def running(board: FakeBoard, milliamperes: int) -> str:
    """Return a fault: from the first inference on the board draws so much."""
    current = board.root / board.rail(0, 1, "curr")
    return (
        "import agent.engines.onnxruntime_engine as e\n"
        "visit = e.OnnxRuntimeModel.visit\n"
        "def visited(self, array, untimed, timed):\n"
        f"    open({str(current)!r}, 'w').write('{milliamperes}')\n"
        "    return visit(self, array, untimed, timed)\n"
        "e.OnnxRuntimeModel.visit = visited\n"
    )


def test_a_board_s_rail_gives_the_energy_of_an_inference(
    profile: DeviceProfile, store: Store, tmp_path: Path, orin: FakeBoard, anchor: Subject
) -> None:
    quick = profile.override(protocol=SHORT)
    with faulty_device(quick, tmp_path / "state", running(orin, 2200)) as device:
        found = measure_energy(device, anchor, store=store)
        assert measure_energy(device, anchor, store=store) == found
        for longer in ({"energy_steady_s": 0.9}, {"energy_idle_s": 0.9}, {"energy_warmup_s": 9.0}):
            assert not found.serves(SHORT.model_copy(update=longer))
        longest = SHORT.model_copy(update={"energy_steady_s": 0.9})
        assert measure_energy(device, anchor, store=store, protocol=longest).uid != found.uid
    assert (found.sensor, found.reason) == ("power_w", "")
    assert (found.idle_w, found.steady_w) == pytest.approx((6.0, 11.0))
    assert found.readings is not None
    last = found.readings.steady[-1]
    expected = 1e3 * 5.0 * (last.at_s - found.readings.steady[0].at_s) / last.runs
    assert found.energy_mj == pytest.approx(expected)


def test_a_board_that_draws_no_more_than_when_idle_is_unknown(
    profile: DeviceProfile, store: Store, tmp_path: Path, orin: FakeBoard, narrow: Subject
) -> None:
    quick = profile.override(protocol=SHORT)
    with faulty_device(quick, tmp_path / "state", running(orin, 1200)) as device:
        found = measure_energy(device, narrow, store=store)
    assert found.energy_mj is None
    assert "was not above" in found.reason


def test_the_processor_s_counter_is_a_sensor(
    profile: DeviceProfile, store: Store, tmp_path: Path, narrow: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make_fake_sysfs(tmp_path / "board", "x86")
    monkeypatch.setenv("SLIMDA_AGENT_ROOT", str(board.root))
    counter = board.root / RAPL / "intel-rapl:0" / "energy_uj"
    fault = (
        "import agent.engines.onnxruntime_engine as e\n"
        "visit, used = e.OnnxRuntimeModel.visit, [5_000_000]\n"
        "def visited(self, array, untimed, timed):\n"
        "    used[0] += 2000 * timed\n"
        f"    open({str(counter)!r}, 'w').write(str(used[0]))\n"
        "    return visit(self, array, untimed, timed)\n"
        "e.OnnxRuntimeModel.visit = visited\n"
    )
    with faulty_device(profile.override(protocol=SHORT), tmp_path / "state", fault) as device:
        found = measure_energy(device, narrow, store=store)
        batch = measure_energy(device, Subject("b", narrow.file, narrow.topology, batch_size=8), store=store)
    assert found.sensor == "energy_j"
    assert found.energy_mj == pytest.approx(2.0)
    assert batch.energy_mj == pytest.approx(0.25), "of an image, where a batch has eight"


def test_a_network_that_cannot_be_loaded_is_a_reason(
    device: Device, store: Store, orin: FakeBoard, broken: Subject
) -> None:
    found = measure_energy(device, broken, store=store)
    assert found.energy_mj is None
    assert found.reason
