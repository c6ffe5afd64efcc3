"""Sensors of boards, read below a made-up sysfs: temperatures, power rails, energy counters."""

from __future__ import annotations

import pytest

from devices.agent.files import Files
from devices.agent.telemetry import temperatures
from devices.telemetry import hottest
from tests.boards.sysfs import RAPL
from tests.devices.sensors import Make, read, sensors


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
