from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devices import Device, DeviceProfile, Protocol, connect
from harness.measuring import Measurement, Store, Subject, explore, finalists, session
from harness.measuring.conditions import conditions_of
from harness.measuring.process import _clock_mhz, measure_process
from harness.measuring.throttling import cool_down, throttled
from tests.boards.sysfs import FakeBoard, make_fake_sysfs
from tests.devices.faults import faulty_device
from tests.measuring.conftest import QUICK
from tests.measuring.records import FINGERPRINT, reading, record

ON_GPU = FINGERPRINT.model_copy(update={"engine": "tensorrt"})

#: Runs `meanwhile(timed_round)` after every visit, and tells whether it was of a timed round.
AFTER_VISITS = """
import agent.engines.onnxruntime_engine as e
visit = e.OnnxRuntimeModel.visit
def visited(self, array, untimed, timed):
    samples = visit(self, array, untimed, timed)
    meanwhile(untimed > 0)
    return samples
e.OnnxRuntimeModel.visit = visited
"""


class TestVerdict:
    def judge(self, limit_c: float | None = None, **changes: Any) -> str:
        return throttled(record(**changes), Protocol(), limit_c)

    @pytest.mark.parametrize(("lowest", "words"), [(1500.0, ""), (1499.0, "clock fell to 75%"), (800.0, "to 40%")])
    def test_a_clock_below_three_quarters_of_where_it_began(self, lowest: float, words: str) -> None:
        found = self.judge(clock_mhz=(2000.0, lowest))
        assert words in found
        assert bool(found) == bool(words)

    def test_on_a_gpu_it_is_the_gpu_s_clock(self) -> None:
        assert self.judge(clock_mhz=(1000.0, 500.0), fingerprint=ON_GPU).startswith("the GPU's clock fell to 50%")

    def test_the_clock_that_counts_is_that_of_what_computes(self) -> None:
        start = [reading(cpu_mhz=2000, gpu_mhz=1000)]
        since = [reading(cpu_mhz=1900, gpu_mhz=800), reading(cpu_mhz=1950), reading(cpu_mhz=2100, gpu_mhz=900)]
        assert _clock_mhz(start, since, on_gpu=True) == (1000, 800)
        assert _clock_mhz(start, since, on_gpu=False) == (2000, 1900)
        assert _clock_mhz(start, [reading()], on_gpu=False) is None
        assert _clock_mhz([], since, on_gpu=False) is None

    def test_a_temperature_above_the_limit_where_there_is_one(self) -> None:
        conditions = conditions_of([reading(temperatures_c={"cpu": 95.5}), reading(temperatures_c={"cpu": 90})])
        assert self.judge(conditions=conditions) == ""
        assert self.judge(96.0, conditions=conditions) == ""
        assert self.judge(95.0, conditions=conditions) == "it was 96 °C hot, and the limit is 95 °C"

    def test_what_the_firmware_says(self) -> None:
        conditions = conditions_of([reading(throttling=("under-voltage", "throttled")), reading()])
        assert self.judge(conditions=conditions) == "the device itself reports under-voltage, throttled"

    def test_what_the_gpu_s_driver_says_where_the_engine_runs_on_it(self) -> None:
        conditions = conditions_of([reading(gpu_throttling=("power brake",))])
        assert self.judge(conditions=conditions) == ""
        assert "power brake" in self.judge(conditions=conditions, fingerprint=ON_GPU)

    def test_all_reasons_are_told(self) -> None:
        conditions = conditions_of([reading(throttling=("throttled",), temperatures_c={"cpu": 90})])
        found = self.judge(80.0, conditions=conditions, clock_mhz=(2.0, 1.0))
        assert found.count(";") == 2

    def test_a_record_from_before_sensors_were_read_is_judged_by_its_clock(self) -> None:
        assert self.judge(80.0) == ""
        assert self.judge(80.0, clock_mhz=(2.0, 1.0))


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    board = make_fake_sysfs(tmp_path / "board", "raspberrypi5")
    monkeypatch.setenv("SLIMDA_AGENT_ROOT", str(board.root))
    return board


@pytest.fixture
def explored(
    profile: DeviceProfile, board: FakeBoard, store: Store, tmp_path: Path, anchor: Subject
) -> Callable[..., tuple[Measurement, list[str]]]:
    """Measure one network while `meanwhile` happens to the board; return what came of it, and what was told."""

    def run(meanwhile: str, rules: Protocol = QUICK, **profile_changes: Any) -> tuple[Measurement, list[str]]:
        notices: list[str] = []
        fault = f"ROOT = {str(board.root)!r}\n{meanwhile}\n{AFTER_VISITS}"
        with faulty_device(profile.override(**profile_changes), tmp_path / "state", fault) as device:
            found = explore(device, [], anchor, store=store, protocol=rules, notice=notices.append)
        return found[anchor.name], notices

    return run


def clocks(condition: str, low: int = 1_000_000) -> str:
    """Return a `meanwhile` in which all cores slow down while `condition` holds."""
    return (
        "import glob\n"
        "CLOCKS = glob.glob(ROOT + '/sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq')\n"
        "def meanwhile(timed_round):\n"
        "    for path in CLOCKS:\n"
        f"        open(path, 'w').write('{low}' if {condition} else '2400000')\n"
    )


def test_a_clock_that_falls_in_a_round_is_throttling_however_often_it_is_tried(
    explored: Callable[..., tuple[Measurement, list[str]]], store: Store, board: FakeBoard
) -> None:
    found, notices = explored(clocks("timed_round"))
    assert found.verdict == "throttled"
    assert "42%" in found.reason
    assert found.summary is not None, "the number is published, with the flag"
    assert len(notices) == QUICK.throttle_retries
    assert all("cpu throttled (the clock fell to 42%" in notice for notice in notices)
    (kept,) = found.records
    assert kept.clock_mhz == (2400.0, 1000.0)
    assert kept.conditions is not None
    assert kept.conditions.cpu_mhz is not None
    assert kept.conditions.cpu_mhz.last == 1000.0


def test_a_device_that_recovers_is_measured_again_without_the_flag(
    explored: Callable[..., tuple[Measurement, list[str]]], board: FakeBoard, tmp_path: Path
) -> None:
    marker = tmp_path / "was hot"
    once = f"FIRST = not os.path.exists({str(marker)!r})\n" + clocks(
        f"timed_round and FIRST and open({str(marker)!r}, 'w')"
    )
    found, notices = explored(once)
    assert (found.verdict, len(notices)) == ("ok", 1)


def test_a_throttled_measurement_is_not_reused(
    explored: Callable[..., tuple[Measurement, list[str]]], board: FakeBoard
) -> None:
    never_again = QUICK.model_copy(update={"throttle_retries": 0})
    hot, notices = explored(clocks("timed_round"), never_again)
    assert (hot.verdict, notices) == ("throttled", [])
    cool, _ = explored(clocks("False"), never_again)
    assert (cool.verdict, cool.reused) == ("ok", False)
    assert explored(clocks("False"), never_again)[0].reused


def test_a_temperature_above_the_profile_s_limit_is_throttling(
    explored: Callable[..., tuple[Measurement, list[str]]], board: FakeBoard
) -> None:
    board.set_temperature("cpu-thermal", 86)
    nothing = "def meanwhile(timed_round): pass"
    found, _ = explored(nothing, temperature_limit_c=85)
    assert found.verdict == "throttled"
    assert found.reason == "it was 86 °C hot, and the limit is 85 °C"
    assert explored(nothing)[0].verdict == "ok"


def test_the_firmware_s_word_is_throttling(
    explored: Callable[..., tuple[Measurement, list[str]]], board: FakeBoard
) -> None:
    board.answer("vcgencmd", "throttled=0x50001")
    found, _ = explored("def meanwhile(timed_round): pass")
    assert found.verdict == "throttled"
    assert "under-voltage" in found.reason


def test_retries_are_counted_over_all_processes_of_a_call(
    profile: DeviceProfile, board: FakeBoard, store: Store, tmp_path: Path, anchor: Subject
) -> None:
    notices: list[str] = []
    fault = f"ROOT = {str(board.root)!r}\n{clocks('timed_round')}\n{AFTER_VISITS}"
    with faulty_device(profile, tmp_path / "state", fault) as device:
        found = finalists(device, [], anchor, store=store, protocol=QUICK, notice=notices.append)["wide"]
    assert found.verdict == "throttled"
    assert len(notices) == QUICK.throttle_retries
    assert len(found.records) >= QUICK.processes


def test_cooling_down_does_not_use_up_the_time_for_measuring(
    explored: Callable[..., tuple[Measurement, list[str]]], board: FakeBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadlines: list[float] = []

    def spy(device: Device, subjects: Any, anchor: Any, plan: Any, tick: Any) -> Any:
        deadlines.append(plan.deadline)
        return measure_process(device, subjects, anchor, plan, tick)

    monkeypatch.setattr(session, "measure_process", spy)
    monkeypatch.setattr(session, "cool_down", lambda *_: 1000.0)
    explored(clocks("timed_round"), QUICK.model_copy(update={"throttle_retries": 1}))
    first, second = deadlines
    assert second - first == pytest.approx(1000)


class TestCoolingDown:
    @pytest.fixture
    def pi(self, profile: DeviceProfile, board: FakeBoard, tmp_path: Path) -> Any:
        with connect(profile, state=tmp_path / "state", lock_wait_s=0) as device:
            yield device

    def test_it_ends_when_the_device_is_ten_degrees_colder(self, pi: Device, board: FakeBoard) -> None:
        board.set_temperature("cpu-thermal", 84)
        timer = threading.Timer(0.8, board.set_temperature, ("cpu-thermal", 74))
        timer.start()
        assert cool_down(pi, 84.0, 60) < 20
        timer.join()

    @pytest.mark.parametrize("hot_c", [84.0, None])
    def test_it_is_bounded_where_the_device_stays_hot_or_has_no_thermometer(
        self, pi: Device, board: FakeBoard, hot_c: float | None
    ) -> None:
        board.set_temperature("cpu-thermal", 80)
        start = time.monotonic()
        waited = cool_down(pi, hot_c, 0.6)
        assert 0.6 <= waited < 10
        assert time.monotonic() - start == pytest.approx(waited, abs=1)
