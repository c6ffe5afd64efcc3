from __future__ import annotations

import builtins
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from devices import AgentProcess, Device, DeviceProfile, Reading, Visit, connect
from devices.agent import telemetry
from devices.agent.files import Files
from devices.agent.telemetry import Telemetry, machine, optional, programs, temperatures
from devices.telemetry import hottest
from tests.boards.sysfs import RAPL, FakeBoard, make_fake_sysfs
from tests.devices.faults import faulty_device

Make = Callable[[str], FakeBoard]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda name: make_fake_sysfs(tmp_path / name, name)


def sensors(board: FakeBoard) -> Telemetry:
    return Telemetry(Files(str(board.root)))


def read(board: FakeBoard) -> Reading:
    return Reading.model_validate(sensors(board).reading())


@pytest.mark.parametrize(
    ("board", "cpu_mhz", "gpu_mhz", "hottest_c", "power_w"),
    [
        ("jetson-orin-nano", 1510, 624, 48.5, 6.0),
        ("jetson-agx-orin", 2201, 1300, 51.0, 3.8 + 0.76 + 3.5 + 0.38),
        ("jetson-agx-xavier", 2265, 1377, 41.5, 0.95 + 1.14 + 1.9 + 0.19 + 0.38 + 2.0),
        ("raspberrypi4", 1800, None, 52.0, None),
        ("raspberrypi5", 2400, None, 55.0, None),
        ("x86", 4200, None, 44.0, None),
    ],
)
def test_every_board_s_sensors_are_read(
    make: Make, board: str, cpu_mhz: float, gpu_mhz: float | None, hottest_c: float, power_w: float | None
) -> None:
    found = read(make(board))
    assert (found.cpu_mhz, found.gpu_mhz, found.hottest_c) == (cpu_mhz, gpu_mhz, hottest_c)
    assert found.power_w == (power_w if power_w is None else pytest.approx(power_w))
    assert found.load == 0.25
    assert found.memory_used is not None
    assert found.memory_used > 0
    assert (found.throttling, found.gpu_throttling, found.gpu_power_w, found.gpu_memory_used) == ((), (), None, None)


class TestTemperatures:
    def test_a_zone_that_cannot_be_read_or_is_switched_off_is_left_out(self, make: Make) -> None:
        assert "cv0-thermal" not in read(make("jetson-orin-nano")).temperatures_c
        assert "CV0-therm" not in read(make("jetson-agx-orin")).temperatures_c

    def test_a_zone_may_fail_now_and_answer_later(self, make: Make) -> None:
        board = make("raspberrypi4")
        found = sensors(board)
        board.make_unreadable(board.zone("cpu-thermal"))
        assert found.reading()["temperatures_c"] == {}
        (board.root / board.zone("cpu-thermal")).rmdir()
        board.set_temperature("cpu-thermal", 61)
        assert found.reading()["temperatures_c"] == {"cpu-thermal": 61.0}

    def test_zones_of_one_type_are_told_apart(self, make: Make) -> None:
        board = make("raspberrypi4")
        board.write("sys/devices/virtual/thermal/thermal_zone7/type", "cpu-thermal")
        board.write("sys/devices/virtual/thermal/thermal_zone7/temp", 30000)
        assert read(board).temperatures_c == {"cpu-thermal": 52.0, "cpu-thermal 7": 30.0}

    @pytest.mark.parametrize("text", ["", "warm", "48.5x", "-256000", "999000"])
    def test_what_is_no_temperature_is_left_out(self, make: Make, text: str) -> None:
        board = make("raspberrypi4")
        board.write(board.zone("cpu-thermal"), text)
        assert read(board).temperatures_c == {}

    def test_what_follows_no_load_is_not_the_hottest(self) -> None:
        assert hottest({"PMIC-Die": 100.0, "thermal-fan-est": 90.0, "CPU-therm": 40.0}) == 40.0
        assert hottest({"PMIC-Die": 100.0}) is None

    def test_psutil_is_asked_where_there_is_no_zone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Chip:
            label, current = "Tctl", 61.5

        class Psutil:
            @staticmethod
            def sensors_temperatures() -> dict[str, list[Chip]]:
                return {"k10temp": [Chip()]}

        class Bare(Files):
            def find(self, pattern: str) -> list[str]:
                return []

        monkeypatch.setattr(temperatures, "psutil_for", lambda files: Psutil)
        assert temperatures.Temperatures(Bare()).read() == {"k10temp Tctl": 61.5}


class TestRails:
    def test_the_input_rail_alone_is_the_total_and_the_others_are_kept(self, make: Make) -> None:
        found = read(make("jetson-orin-nano"))
        assert found.rails_w == {"VDD_IN": 6.0, "VDD_CPU_GPU_CV": 1.5, "VDD_SOC": 1.25}
        assert found.power_w == 6.0

    def test_the_older_input_rail_counts_too(self, make: Make) -> None:
        board = make("jetson-orin-nano")
        board.write(board.rail(0, 1, "label"), "POM_5V_IN")
        assert read(board).power_w == 6.0

    def test_neither_unconnected_channels_nor_the_sum_of_shunts_are_rails(self, make: Make) -> None:
        assert list(read(make("jetson-agx-orin")).rails_w) == [
            "VDD_GPU_SOC",
            "VDD_CPU_CV",
            "VIN_SYS_5V0",
            "VDDQ_VDD2_1V8AO",
        ]

    def test_without_an_input_rail_a_rail_that_fails_leaves_no_total(self, make: Make) -> None:
        board = make("jetson-agx-orin")
        board.make_unreadable(board.rail(1, 2, "curr"))
        found = read(board)
        assert found.power_w is None
        assert "VDD_CPU_CV" in found.rails_w

    def test_an_input_rail_that_fails_is_not_replaced_by_the_sum(self, make: Make) -> None:
        board = make("jetson-orin-nano")
        board.make_unreadable(board.rail(0, 1, "in"))
        assert read(board).power_w is None

    def test_rails_that_are_labelled_alike_are_all_kept_by_number(self, make: Make) -> None:
        board = make("jetson-agx-orin")
        board.write(board.rail(1, 2, "label"), "VDD_GPU_SOC")
        found = read(board)
        assert list(found.rails_w) == ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDD_GPU_SOC 2"]
        assert found.power_w == pytest.approx(3.8 + 0.76 + 3.5 + 0.38)

    def test_input_rails_that_are_labelled_alike_are_the_total_together(self, make: Make) -> None:
        board = make("jetson-orin-nano")
        board.write(board.rail(0, 2, "label"), "VDD_IN")
        assert read(board).power_w == 6.0 + 1.5
        board.make_unreadable(board.rail(0, 2, "curr"))
        assert read(board).power_w is None

    def test_no_sensor_is_said(self, make: Make) -> None:
        missing = sensors(make("raspberrypi5")).facts()["missing"]
        assert "no INA3221" in missing["power rails"]


class TestEnergyCounters:
    def test_packages_are_read_and_neither_their_parts_nor_the_platform(self, make: Make) -> None:
        assert read(make("x86")).energy_j == {"package-0": (5.0, 262_143.32885)}

    def test_a_counter_for_root_alone_is_said_to_be(self, make: Make) -> None:
        board = make("x86")
        board.make_unreadable(f"{RAPL}/intel-rapl:0/energy_uj")
        found = sensors(board)
        assert found.reading()["energy_j"] == {}
        assert "cannot be read by this user" in found.facts()["missing"]["energy counters"]


class TestPowerMode:
    @pytest.mark.parametrize(
        ("board", "mode"),
        [("jetson-orin-nano", "15W"), ("jetson-agx-orin", "MAXN"), ("jetson-agx-xavier", "MODE_30W_ALL")],
    )
    def test_it_is_known_by_name_whatever_else_is_printed(self, make: Make, board: str, mode: str) -> None:
        facts = sensors(make(board)).facts()
        assert facts["power_mode"] == mode
        assert "power mode" not in facts["missing"]

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ("hang", "did not answer within 0.2 s"),
            ("NVPM ERROR: no permission", "failed (1): NVPM ERROR: no permission"),
            ("NVPM VERB: nothing to say", "names no power mode: NVPM VERB"),
            ("", "it prints nothing"),
        ],
    )
    def test_what_cannot_be_known_has_a_reason(
        self, make: Make, monkeypatch: pytest.MonkeyPatch, answer: str, words: str
    ) -> None:
        board = make("jetson-orin-nano")
        board.answer("nvpmodel", answer)
        monkeypatch.setattr(programs, "_MODE_S", 0.2)
        facts = sensors(board).facts()
        assert facts["power_mode"] is None
        assert words in facts["missing"]["power mode"]

    def test_a_missing_program_is_named(self, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        board = make("jetson-orin-nano")
        (board.root / "usr/sbin/nvpmodel").unlink()
        monkeypatch.setenv("PATH", str(tmp_path))
        assert sensors(board).facts()["missing"]["power mode"] == "the program nvpmodel is missing"

    def test_it_is_found_on_the_path_too(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        board = make("jetson-orin-nano")
        elsewhere = board.root / "elsewhere"
        (board.root / "usr/sbin").rename(elsewhere)
        monkeypatch.setenv("PATH", f"{elsewhere}:/usr/bin:/bin")
        assert sensors(board).facts()["power_mode"] == "15W"

    def test_what_is_no_jetson_has_none_and_needs_no_reason(self, make: Make) -> None:
        facts = sensors(make("x86")).facts()
        assert facts["power_mode"] is None
        assert "power mode" not in facts["missing"]


class TestFirmwareThrottling:
    def test_what_holds_now_and_what_has_happened_before_are_told_apart(self, make: Make) -> None:
        board = make("raspberrypi5")
        board.answer("vcgencmd", "throttled=0x50005")
        found = sensors(board)
        assert found.facts()["throttled_before"] == ["under-voltage", "throttled"]
        assert found.reading()["throttling"] == ["under-voltage", "throttled"]
        board.answer("vcgencmd", "throttled=0x50000")
        assert sensors(board).reading()["throttling"] == []

    def test_what_happened_between_two_looks_is_noticed(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        board = make("raspberrypi4")
        found = sensors(board)
        assert found.reading()["throttling"] == []
        board.answer("vcgencmd", "throttled=0x80000")
        assert found.reading()["throttling"] == [], "the program is started once a second at most"
        later = time.monotonic() + 2
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert found.reading()["throttling"] == ["soft temperature limit"]

    @pytest.mark.parametrize("answer", ["VCHI initialization failed", "hang", "ERROR"])
    def test_a_program_that_fails_is_not_asked_again_at_once_and_the_reason_kept(
        self, make: Make, monkeypatch: pytest.MonkeyPatch, answer: str
    ) -> None:
        board = make("raspberrypi4")
        board.answer("vcgencmd", answer)
        monkeypatch.setattr(programs, "_THROTTLED_S", 0.2)
        found = sensors(board)
        reason = found.facts()["missing"]["firmware throttling"]
        assert "vcgencmd" in reason
        start = time.monotonic()
        assert found.reading()["throttling"] == []
        assert time.monotonic() - start < 0.1

    def test_a_program_that_failed_once_is_heard_again(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        board = make("raspberrypi4")
        found, now = sensors(board), time.monotonic()
        for later, answer, reasons in (
            (10, "throttled=0x4", ["throttled"]),
            (20, "ERROR", ["throttled"]),
            (40, "throttled=0x80000", ["soft temperature limit"]),
        ):
            board.answer("vcgencmd", answer)
            monkeypatch.setattr(time, "monotonic", lambda moment=now + later: moment)
            assert found.reading()["throttling"] == reasons
        assert "firmware throttling" not in found.facts()["missing"]

    def test_what_happened_before_it_was_first_heard_is_not_put_down_to_the_run(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        board = make("raspberrypi4")
        board.answer("vcgencmd", "ERROR")
        found, later = sensors(board), time.monotonic() + 20
        board.answer("vcgencmd", "throttled=0x50000")
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert found.reading()["throttling"] == []
        assert found.facts()["throttled_before"] == ["under-voltage", "throttled"]


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
