from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import Device, DeviceProfile, Protocol
from harness.measuring import Store, Subject, measure_further, measure_sustained
from harness.measuring.sustained import settled
from tests.boards.sysfs import FakeBoard, make_fake_sysfs
from tests.devices.faults import faulty_device
from tests.measuring.conftest import QUICK

pytestmark = pytest.mark.alone

WINDOW = Protocol(sustained_window_s=60, sustained_slope_c_per_min=1.0)
BRIEF = QUICK.model_copy(
    update={"sustained_window_s": 0.6, "sustained_slope_c_per_min": 2.0, "sustained_limit_s": 20.0}
)


@given(st.floats(20, 90), st.floats(-20, 20).filter(lambda slope: abs(abs(slope) - 1) > 0.01))
def test_a_steady_climb_or_fall_has_settled_where_it_is_slow_enough(start_c: float, slope: float) -> None:
    line = [(float(second), start_c + slope * second / 60) for second in range(90)]
    assert settled(line, WINDOW) == (abs(slope) < 1)


def test_nothing_has_settled_before_a_whole_window_is_over() -> None:
    assert not settled([], WINDOW)
    assert not settled([(float(second), 50.0) for second in range(60)], WINDOW)
    assert settled([(float(second), 50.0) for second in range(61)], WINDOW)


def test_only_the_last_window_counts_and_noise_of_a_sensor_s_step_does_not() -> None:
    rng = np.random.default_rng(0)
    climb = [(float(second), 40 + second / 3) for second in range(60)]
    flat = [(60.0 + second, 60 + 0.5 * float(rng.integers(0, 2))) for second in range(61)]
    assert settled([*climb, *flat], WINDOW)
    assert not settled([*climb, *flat[:30]], WINDOW)


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    board = make_fake_sysfs(tmp_path / "board", "raspberrypi4")
    monkeypatch.setenv("SLIMDA_AGENT_ROOT", str(board.root))
    return board


def heating(board: FakeBoard, degrees: str) -> str:
    """Return a fault: after `n` requests the board has so many `degrees`."""
    zone = board.root / board.zone("cpu-thermal")
    return (
        "import agent.engines.onnxruntime_engine as e\n"
        "visit, n = e.OnnxRuntimeModel.visit, 0\n"
        "def visited(self, array, untimed, timed):\n"
        "    global n\n"
        "    n += 1\n"
        f"    open({str(zone)!r}, 'w').write(str(round(1000 * ({degrees}))))\n"
        "    return visit(self, array, untimed, timed)\n"
        "e.OnnxRuntimeModel.visit = visited\n"
    )


def test_latency_is_measured_when_the_temperature_has_settled(
    profile: DeviceProfile, store: Store, tmp_path: Path, board: FakeBoard, anchor: Subject
) -> None:
    steps: list[tuple[float, float]] = []
    with faulty_device(profile, tmp_path / "state", heating(board, "50 + min(n, 10)")) as device:
        found = measure_sustained(
            device, anchor, store=store, protocol=BRIEF, progress=lambda *step: steps.append(step)
        )
        assert measure_sustained(device, anchor, store=store, protocol=BRIEF) == found
    assert found.settled
    assert found.reason == ""
    assert found.p50_ms is not None
    assert found.p50_ms == pytest.approx(np.median([s for r in found.rounds_ns for s in r]) / 1e6, rel=0.2)
    assert len(found.rounds_ns) == BRIEF.rounds
    degrees = [value for _, value in found.temperatures_c]
    assert degrees == sorted(degrees)
    assert degrees[-1] == 60.0
    assert len(found.temperatures_c) > 10, "it went on while the temperature rose"
    assert steps == sorted(steps)
    assert {limit for _, limit in steps} == {20.0}


def test_a_temperature_that_never_settles_ends_with_the_time_and_says_so(
    profile: DeviceProfile, store: Store, tmp_path: Path, board: FakeBoard, narrow: Subject
) -> None:
    impatient = BRIEF.model_copy(update={"sustained_limit_s": 1.0})
    with faulty_device(profile, tmp_path / "state", heating(board, "20 + n % 100")) as device:
        found = measure_sustained(device, narrow, store=store, protocol=impatient)
    assert found.p50_ms is not None
    assert not found.settled
    assert found.reason == "the temperature had not settled after 1 s"
    assert found.serves(impatient)
    assert not found.serves(BRIEF)


def test_without_a_thermometer_there_is_a_reason_and_no_figure(
    device: Device, store: Store, board: FakeBoard, narrow: Subject
) -> None:
    board.make_unreadable(board.zone("cpu-thermal"))
    found = measure_sustained(device, narrow, store=store, protocol=BRIEF)
    assert (found.p50_ms, found.reason) == (None, "the temperature of the device cannot be read")


def test_an_engine_that_takes_no_time_is_no_figure(
    profile: DeviceProfile, store: Store, tmp_path: Path, board: FakeBoard, narrow: Subject
) -> None:
    impatient = BRIEF.model_copy(update={"sustained_limit_s": 0.7})
    fault = "import agent.engines.contract as c\nc.time.perf_counter_ns = lambda: 7"
    with faulty_device(profile, tmp_path / "state", fault) as device:
        found = measure_sustained(device, narrow, store=store, protocol=impatient)
    assert found.p50_ms is None
    assert "no time" in found.reason


def test_a_slow_network_is_given_the_time_that_its_rounds_take(
    profile: DeviceProfile, store: Store, tmp_path: Path, board: FakeBoard, narrow: Subject
) -> None:
    impatient = profile.override(timeouts={"run_s": 0.4})
    fault = (
        "import agent.engines.onnxruntime_engine as e\n"
        "def visited(self, array, untimed, timed):\n"
        "    time.sleep(0.08 * (untimed + timed))\n"
        "    return e.Samples([80_000_000] * timed, [])\n"
        "infer = e.OnnxRuntimeModel.infer\n"
        "e.OnnxRuntimeModel.infer = lambda *a: [time.sleep(0.08), infer(*a)][1]\n"
        "e.OnnxRuntimeModel.visit = visited"
    )
    with faulty_device(impatient, tmp_path / "state", fault) as device:
        found = measure_sustained(device, narrow, store=store, protocol=BRIEF)
    assert (found.reason, found.p50_ms) == ("", 80.0)


@pytest.mark.parametrize("wanted", [False, True])
def test_it_is_measured_where_the_profile_asks_for_it(
    profile: DeviceProfile, store: Store, tmp_path: Path, board: FakeBoard, narrow: Subject, wanted: bool
) -> None:
    asked = profile.override(sustained=wanted, protocol=BRIEF)
    with faulty_device(asked, tmp_path / "state", "pass") as device:
        costs = measure_further(device, narrow, store=store)
    assert (costs.sustained is not None) == wanted
    assert costs.memory.peak_mb is not None
    assert costs.energy.energy_mj is None
    assert len(costs.records) == 2 + wanted
