"""The sensors as the agent tells them: when, with what beside them, and what they cost."""

from __future__ import annotations

import builtins
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from devices import AgentProcess, Device, DeviceProfile, Reading, Visit, connect
from devices.agent import telemetry
from devices.agent.files import Files
from devices.agent.telemetry import Telemetry, machine, optional
from tests.boards.sysfs import FakeBoard, make_fake_sysfs
from tests.devices.faults import faulty_device
from tests.devices.sensors import Make, sensors


class TestPeriod:
    def test_a_reading_is_due_every_tenth_of_a_second(self, make: Make) -> None:
        found = sensors(make("x86"))
        assert len(found.due()) == 1
        start = time.monotonic()
        while not (again := found.due()):
            assert time.monotonic() < start + 2
        assert len(again) == 1
        assert time.monotonic() - start >= 0.9 * telemetry.PERIOD_S
        assert len(found.due(insist=True)) == 1

    def test_a_slow_reading_is_taken_seldom(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        found = sensors(make("raspberrypi4"))

        def slow(self: object) -> dict[str, object]:
            time.sleep(0.02)
            return {}

        monkeypatch.setattr(telemetry._Sensors, "read", slow)
        assert found.due()
        time.sleep(0.15)
        assert not found.due(), "20 ms of reading are worth 400 ms of rest"


def test_a_machine_without_any_of_it_says_so_and_fails_nowhere(tmp_path: Path) -> None:
    found = Telemetry(Files(str(tmp_path)))
    reading = Reading.model_validate(found.reading())
    known = {name: value for name, value in reading.model_dump().items() if value not in (None, {}, ())}
    assert set(known) <= {"at_s", "took_s"}
    assert {"temperature", "power rails", "energy counters"} <= set(found.facts()["missing"])


def test_psutil_is_optional_and_never_asked_about_a_made_up_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert optional.psutil_for(Files(str(tmp_path))) is None
    assert machine.machine_memory(Files(str(tmp_path))) == (None, None)
    original = builtins.__import__

    def without_psutil(name: str, *rest: Any) -> Any:
        if name == "psutil":
            raise ImportError(name)
        return original(name, *rest)

    assert optional.psutil_for(Files()) is not None
    monkeypatch.setattr(builtins, "__import__", without_psutil)
    assert optional.psutil_for(Files()) is None
    Reading.model_validate(Telemetry(Files()).reading())


@pytest.fixture
def jetson(profile: DeviceProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    """This machine, whose agent takes it for an Orin Nano."""
    board = make_fake_sysfs(tmp_path / "board", "jetson-orin-nano")
    monkeypatch.setenv("SLIMDA_AGENT_ROOT", str(board.root))
    return board


def test_the_fingerprint_tells_board_release_and_power_mode(jetson: FakeBoard, device: Device) -> None:
    found = device.describe()
    assert found.board == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit"
    assert found.os_release == "Ubuntu 22.04.4 LTS, kernel 5.15.136-fake, L4T 36.3.0"
    assert (found.power_mode, found.governor, found.gpu) == ("15W", "schedutil", "17000000.gpu")
    assert found.boot_id == "c0ffee00-0000-4000-8000-000000000000"
    assert found.memory_mb == pytest.approx(8192)
    host = device.description().host
    assert host.cpu_limits_mhz == (729, 1510)
    assert host.gpu_limits_mhz == (306, 624)
    assert host.temperatures_c["gpu-thermal"] == 47.25


def test_a_round_brings_readings_from_between_its_visits(
    jetson: FakeBoard, device: Device, agent: AgentProcess, network: Path
) -> None:
    model = device.load(agent, network)
    visit = Visit(model.handle, 0, 2000)
    found = agent.run_round([visit] * 30)
    moments = [reading.at_s for reading in found.readings]
    assert len(moments) >= 2
    assert min(after - before for before, after in pairwise(moments)) >= 0.1
    assert {reading.power_w for reading in found.readings} == {6.0}
    assert found.before.wall_s <= moments[0] <= moments[-1] <= found.after.wall_s


def test_the_last_visit_is_followed_by_a_reading_where_that_is_asked_for(
    device: Device, agent: AgentProcess, network: Path
) -> None:
    visit = Visit(device.load(agent, network).handle, 0, 1)
    agent.run_round([visit])
    assert agent.run_round([visit]).readings == ()
    assert len(agent.run_round([visit], end_with_reading=True).readings) == 1


def test_readings_are_not_taken_inside_a_timed_run(profile: DeviceProfile, tmp_path: Path, network: Path) -> None:
    fault = (
        "from agent.telemetry import Telemetry\n"
        "Telemetry.reading = (lambda original: lambda self: (time.sleep(0.05), original(self))[1])(Telemetry.reading)"
    )
    with faulty_device(profile, tmp_path, fault) as device, device.agent() as agent:
        model = device.load(agent, network)
        found = agent.run_round([Visit(model.handle, 0, 200)] * 10, end_with_reading=True)
    assert found.readings
    assert sorted(sample for samples in found.samples for sample in samples)[-20] < 50e6


def test_the_sensors_can_be_asked_at_any_time(jetson: FakeBoard, agent: AgentProcess) -> None:
    first = agent.read_telemetry()
    jetson.set_temperature("cpu-thermal", 80)
    second = agent.read_telemetry()
    assert (first.reading.hottest_c, second.reading.hottest_c) == (48.5, 80.0)
    assert second.state.wall_s > first.state.wall_s


def test_reading_the_sensors_is_cheap(jetson: FakeBoard, agent: AgentProcess) -> None:
    took = sorted(agent.read_telemetry().reading.took_s for _ in range(15))
    assert took[7] < 0.02


def test_the_root_is_an_argument_of_the_agent(profile: DeviceProfile, tmp_path: Path) -> None:
    board = make_fake_sysfs(tmp_path / "board", "raspberrypi5")
    with faulty_device(profile, tmp_path, f"sys.argv += ['--root', {str(board.root)!r}]") as device:
        assert device.describe().board == "Raspberry Pi 5 Model B Rev 1.0"


def test_two_boards_of_another_power_mode_are_two_keys_of_the_store(
    jetson: FakeBoard, profile: DeviceProfile, tmp_path: Path
) -> None:
    modes = []
    for mode in ("15W", "7W"):
        jetson.answer("nvpmodel", f"NV Power Mode: {mode}\n1")
        with connect(profile, state=tmp_path / "state") as device:
            modes.append(device.describe().power_mode)
    assert modes == ["15W", "7W"]
