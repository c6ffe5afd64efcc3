from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

from devices import Device, DeviceError, DeviceProfile, connect
from devices.replies import State
from harness.measuring import guards
from harness.measuring.guards import (
    ClocksNotLocked,
    Finding,
    GovernorSavesPower,
    NearTemperatureLimit,
    NoThermometer,
    OtherPowerMode,
    OthersAreBusy,
    SlowedDown,
)
from tests.boards.sysfs import FakeBoard, make_fake_sysfs
from tests.devices.faults import faulty_device


def found_on(profile: DeviceProfile, board: FakeBoard, tmp_path: Path, **changes: object) -> list[Finding]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIMDA_AGENT_ROOT", str(board.root))
        with connect(profile.override(**changes), state=tmp_path / "state", lock_wait_s=0) as device:
            return guards.check(device, look_s=0.01)


def test_a_board_in_order_is_found_in_order(profile: DeviceProfile, tmp_path: Path) -> None:
    board = make_fake_sysfs(tmp_path / "board", "raspberrypi5")
    assert found_on(profile, board, tmp_path, temperature_limit_c=80) == []


def test_everything_wrong_with_a_jetson_is_found_and_nothing_changed(profile: DeviceProfile, tmp_path: Path) -> None:
    board = make_fake_sysfs(tmp_path / "board", "jetson-orin-nano")
    before = {path: path.read_bytes() for path in board.root.rglob("*") if path.is_file()}
    found = found_on(profile, board, tmp_path, power_mode="MAXN", temperature_limit_c=55)
    assert found == [
        GovernorSavesPower("schedutil"),
        OtherPowerMode("15W", "MAXN", "the board has none"),
        ClocksNotLocked("processor", 729, 1510),
        ClocksNotLocked("GPU", 306, 624),
        NearTemperatureLimit(48.5, 55),
    ]
    assert before == {path: path.read_bytes() for path in board.root.rglob("*") if path.is_file()}


def test_a_jetson_with_its_clocks_locked_in_its_mode_is_in_order(profile: DeviceProfile, tmp_path: Path) -> None:
    board = make_fake_sysfs(tmp_path / "board", "jetson-orin-nano")
    board.write("sys/class/devfreq/17000000.gpu/min_freq", 624_000_000)
    for core in range(6):
        folder = f"sys/devices/system/cpu/cpu{core}/cpufreq"
        board.write(f"{folder}/scaling_min_freq", 1_510_000)
        board.write(f"{folder}/scaling_governor", "performance")
    assert found_on(profile, board, tmp_path, power_mode="15W") == []


def test_a_power_mode_that_cannot_be_known_is_told_with_the_reason(profile: DeviceProfile, tmp_path: Path) -> None:
    board = make_fake_sysfs(tmp_path / "board", "jetson-agx-orin")
    board.answer("nvpmodel", "NVPM ERROR: no permission")
    (mode,) = [f for f in found_on(profile, board, tmp_path, power_mode="MAXN") if isinstance(f, OtherPowerMode)]
    assert mode.found is None
    assert "no permission" in mode.problem


def test_a_power_mode_where_there_is_none_is_told_too(profile: DeviceProfile, tmp_path: Path) -> None:
    board = make_fake_sysfs(tmp_path / "board", "raspberrypi5")
    (mode,) = found_on(profile, board, tmp_path, power_mode="MAXN")
    assert mode.problem == "the power mode should be MAXN and is not known (the board has none)"


def test_a_limit_that_cannot_be_watched_is_told(profile: DeviceProfile, tmp_path: Path) -> None:
    board = make_fake_sysfs(tmp_path / "board", "raspberrypi5")
    board.make_unreadable(board.zone("cpu-thermal"))
    assert found_on(profile, board, tmp_path, temperature_limit_c=80) == [NoThermometer(80)]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("throttled=0x50005", SlowedDown(("under-voltage", "throttled"), now=True)),
        ("throttled=0x50000", SlowedDown(("under-voltage", "throttled"), now=False)),
    ],
)
def test_throttling_now_and_before_is_told_apart(
    profile: DeviceProfile, tmp_path: Path, answer: str, found: SlowedDown
) -> None:
    board = make_fake_sysfs(tmp_path / "board", "raspberrypi5")
    board.answer("vcgencmd", answer)
    assert found_on(profile, board, tmp_path) == [found]
    assert "power supply" in found.advice


def test_other_programs_are_noticed_by_the_time_they_take(
    profile: DeviceProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make_fake_sysfs(tmp_path / "board", "raspberrypi5")
    monkeypatch.setenv("SLIMDA_AGENT_ROOT", str(board.root))
    fault = "agent.host._busy_seconds = lambda files: 1e4 * time.monotonic()"
    with faulty_device(profile, tmp_path / "state", fault) as device:
        (busy,) = guards.check(device, look_s=0.05)
    assert isinstance(busy, OthersAreBusy)
    assert busy.share > guards.BUSY_ABOVE


def test_the_agent_s_own_time_is_not_that_of_others() -> None:
    before, after = State(wall_s=10, busy_s=100, own_s=1), State(wall_s=12, busy_s=104, own_s=3)
    assert before.others_load(after, cores=4) == pytest.approx(0.25)
    assert before.others_load(after.model_copy(update={"own_s": 6}), cores=4) == 0
    assert before.others_load(after.model_copy(update={"busy_s": None}), cores=4) is None
    assert before.others_load(before, cores=4) is None


def test_this_machine_can_be_checked(device: Device) -> None:
    for finding in guards.check(device, look_s=0.05):
        assert finding.problem


def test_a_device_that_cannot_be_asked_is_a_device_error(profile: DeviceProfile, tmp_path: Path) -> None:
    with (
        faulty_device(profile, tmp_path, "agent.server.Server._read_telemetry = lambda *_: os.abort()") as device,
        pytest.raises(DeviceError, match="signal 6"),
    ):
        guards.check(device)


EXAMPLES: list[Finding] = [
    GovernorSavesPower("ondemand"),
    OtherPowerMode("15W", "MAXN"),
    OthersAreBusy(0.3),
    NearTemperatureLimit(80, 85),
    NoThermometer(85),
    ClocksNotLocked("GPU", 300, 600),
    SlowedDown(("soft temperature limit",), now=True),
]


def test_every_finding_is_a_type_of_its_own_with_advice_in_a_sentence() -> None:
    kinds = {
        kind for _, kind in inspect.getmembers(guards, inspect.isclass) if issubclass(kind, Finding) and kind != Finding
    }
    assert {type(example) for example in EXAMPLES} == kinds
    assert all(dataclasses.is_dataclass(kind) for kind in kinds)
    for example in EXAMPLES:
        assert example.problem
        assert not example.problem.endswith(".")
        assert example.advice.endswith(".")
        assert "\n" not in example.advice
