"""Folders that stand in for the root of a board: its procfs, sysfs, devicetree, and the programs that tell of it.

What the files say is modelled on the boards' documentation and on what jetson_stats reads. The agent takes such a
folder with --root or $SLIMDA_AGENT_ROOT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

THERMAL = "sys/devices/virtual/thermal"
CPU = "sys/devices/system/cpu"
RAPL = "sys/class/powercap"
SUM_OF_SHUNTS = "sum of shunt voltages"

#: Prints what stands in a file; so a test can change the answer, and an answer of "hang" never comes.
PROGRAM = """#!/bin/sh
answer=$(cat "{answer}")
[ "$1" = "{argument}" ] || {{ echo "unknown option $1" >&2; exit 2; }}
[ "$answer" = hang ] && exec sleep 60
echo "$answer"
case $answer in *ERROR*) exit 1;; esac
"""


@dataclass(frozen=True)
class Gpu:
    """A devfreq device; clocks in MHz."""

    name: str
    low: int
    high: int


@dataclass(frozen=True)
class Board:
    """What a board's tree is made from. Rails: per INA3221, (label, mV, mA) for each channel from 1 on."""

    model: str | None
    cores: int
    cpu_mhz: tuple[int, int]
    governor: str
    zones_c: Mapping[str, float | None]
    """None: the zone cannot be read."""
    release: str | None = None
    power_mode: str | None = None
    throttled: str | None = None
    gpu: Gpu | None = None
    rails: Sequence[Sequence[tuple[str, int, int]]] = ()
    rapl: Mapping[str, str] = field(default_factory=dict)
    memory_kb: int = 8_000_000


BOARDS: dict[str, Board] = {
    "jetson-nano": Board(
        model="NVIDIA Jetson Nano Developer Kit",
        cores=4,
        cpu_mhz=(102, 1479),
        governor="schedutil",
        zones_c={"AO-therm": 40.5, "CPU-therm": 31.0, "GPU-therm": 30.5, "PLL-therm": 29.0, "PMIC-Die": 100.0},
        release="# R32 (release), REVISION: 7.4, GCID: 33514132, BOARD: t210ref, EABI: aarch64, DATE: Fri Jun  9 2023",
        power_mode="NV Power Mode: MAXN\n0",
        gpu=Gpu("57000000.gpu", 76, 921),
        memory_kb=4_000_000,
    ),
    "jetson-orin-nano": Board(
        model="NVIDIA Jetson Orin Nano Engineering Reference Developer Kit",
        cores=6,
        cpu_mhz=(729, 1510),
        governor="schedutil",
        zones_c={
            "cpu-thermal": 48.5,
            "gpu-thermal": 47.25,
            "cv0-thermal": None,
            "soc0-thermal": 46.0,
            "tj-thermal": 48.5,
        },
        release="# R36 (release), REVISION: 3.0, GCID: 36191598, BOARD: generic, EABI: aarch64, DATE: Mon May  6 2024",
        power_mode="NV Power Mode: 15W\n0",
        gpu=Gpu("17000000.gpu", 306, 624),
        rails=[
            [("VDD_IN", 5000, 1200), ("VDD_CPU_GPU_CV", 5000, 300), ("VDD_SOC", 5000, 250), (SUM_OF_SHUNTS, 9, 0)],
        ],
    ),
    "jetson-agx-orin": Board(
        model="Jetson AGX Orin Developer Kit",
        cores=12,
        cpu_mhz=(115, 2201),
        governor="schedutil",
        zones_c={"CPU-therm": 51.0, "GPU-therm": 46.5, "CV0-therm": -256.0, "SOC0-therm": 47.0, "tj-therm": 51.0},
        release="# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64, DATE: Tue Aug  1 2023",
        power_mode="NV Power Mode: MAXN\n0",
        gpu=Gpu("17000000.ga10b", 306, 1300),
        rails=[
            [("VDD_GPU_SOC", 19000, 200), ("VDD_CPU_CV", 19000, 40), ("VIN_SYS_5V0", 5000, 700)],
            [("NC", 0, 0), ("VDDQ_VDD2_1V8AO", 19000, 20), ("NC", 0, 0)],
        ],
    ),
    "jetson-agx-xavier": Board(
        model="Jetson-AGX",
        cores=8,
        cpu_mhz=(115, 2265),
        governor="schedutil",
        zones_c={"CPU-therm": 40.5, "GPU-therm": 41.5, "AO-therm": 39.0, "PMIC-Die": 100.0, "thermal-fan-est": 90.0},
        release="# R35 (release), REVISION: 2.1, GCID: 32413640, BOARD: t186ref, EABI: aarch64, DATE: Tue Jan 24 2023",
        power_mode="NVPM WARN: Golden image context is already created\nNV Power Mode: MODE_30W_ALL\n3",
        gpu=Gpu("17000000.gv11b", 114, 1377),
        rails=[
            [("GPU", 19000, 50), ("CPU", 19000, 60), ("SOC", 19000, 100)],
            [("CV", 19000, 10), ("VDDRQ", 19000, 20), ("SYS5V", 5000, 400)],
        ],
    ),
    "raspberrypi4": Board(
        model="Raspberry Pi 4 Model B Rev 1.4",
        cores=4,
        cpu_mhz=(600, 1800),
        governor="ondemand",
        zones_c={"cpu-thermal": 52.0},
        throttled="throttled=0x0",
    ),
    "raspberrypi5": Board(
        model="Raspberry Pi 5 Model B Rev 1.0",
        cores=4,
        cpu_mhz=(1500, 2400),
        governor="performance",
        zones_c={"cpu-thermal": 55.0},
        throttled="throttled=0x0",
    ),
    "x86": Board(
        model=None,
        cores=8,
        cpu_mhz=(800, 4200),
        governor="powersave",
        zones_c={"acpitz": 27.8, "x86_pkg_temp": 44.0, "iwlwifi_1": None},
        rapl={"intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:1": "psys"},
        memory_kb=32_000_000,
    ),
}


class FakeBoard:
    """A board's tree on disk."""

    def __init__(self, root: Path, board: Board) -> None:
        self.root = root
        self._board = board

    def write(self, path: str, text: object) -> Path:
        """Make a file, with its folders; what was there is replaced whole, as sysfs would."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(file.name + ".new")
        partial.write_text(f"{text}\n")
        partial.replace(file)
        return file

    def make_unreadable(self, path: str) -> None:
        """Let reading a file fail, for root too."""
        file = self.root / path
        file.unlink(missing_ok=True)
        file.mkdir(parents=True)

    def zone(self, name: str) -> str:
        """Return where the temperature of a zone stands."""
        return f"{THERMAL}/thermal_zone{list(self._board.zones_c).index(name)}/temp"

    def set_temperature(self, zone: str, degrees: float) -> None:
        """Change a zone's temperature."""
        self.write(self.zone(zone), round(1000 * degrees))

    def cpu_clocks(self) -> list[str]:
        """Return where the clocks of the cores stand."""
        return [f"{CPU}/cpu{core}/cpufreq/scaling_cur_freq" for core in range(self._board.cores)]

    def set_cpu_mhz(self, mhz: float) -> None:
        """Change every core's clock."""
        for path in self.cpu_clocks():
            self.write(path, round(1000 * mhz))

    def rail(self, chip: int, channel: int, what: str) -> str:
        """Return where `in` (mV), `curr` (mA) or the `label` of a channel stands."""
        name = f"in{channel}_label" if what == "label" else f"{what}{channel}_input"
        return f"sys/bus/i2c/devices/1-004{chip}/hwmon/hwmon{chip + 1}/{name}"

    def answer(self, program: str, text: str) -> None:
        """Change what a program prints."""
        self.write(f"answers/{program}", text)


def make_fake_sysfs(folder: Path, board: str) -> FakeBoard:
    """Write the tree of a board of `BOARDS` below `folder`."""
    what = BOARDS[board]
    fake = FakeBoard(folder, what)
    _identity(fake, what)
    for core in range(what.cores):
        low, high = what.cpu_mhz
        for name, value in (
            ("scaling_cur_freq", 1000 * (high if core == 1 else low)),
            ("scaling_min_freq", 1000 * low),
            ("scaling_max_freq", 1000 * high),
            ("scaling_governor", what.governor),
        ):
            fake.write(f"{CPU}/cpu{core}/cpufreq/{name}", value)
    for number, (name, degrees) in enumerate(what.zones_c.items()):
        fake.write(f"{THERMAL}/thermal_zone{number}/type", name)
        if degrees is None:
            fake.make_unreadable(fake.zone(name))
        else:
            fake.set_temperature(name, degrees)
    if what.gpu:
        for name, mhz in (("cur_freq", what.gpu.high), ("min_freq", what.gpu.low), ("max_freq", what.gpu.high)):
            fake.write(f"sys/class/devfreq/{what.gpu.name}/{name}", 1_000_000 * mhz)
        fake.write("sys/class/devfreq/15340000.vic/cur_freq", 115_200_000)
    for chip, channels in enumerate(what.rails):
        fake.write(f"sys/bus/i2c/devices/1-004{chip}/name", "ina3221")
        for channel, (label, millivolts, milliamperes) in enumerate(channels, start=1):
            channel = 7 if label == SUM_OF_SHUNTS else channel
            for kind, value in (("label", label), ("in", millivolts), ("curr", milliamperes)):
                fake.write(fake.rail(chip, channel, kind), value)
    fake.write("sys/bus/i2c/devices/0-0050/name", "24c02")
    for zone, name in what.rapl.items():
        for file, value in (("name", name), ("energy_uj", 5_000_000), ("max_energy_range_uj", 262_143_328_850)):
            fake.write(f"{RAPL}/{zone}/{file}", value)
    return fake


def _identity(fake: FakeBoard, what: Board) -> None:
    fake.write("proc/sys/kernel/osrelease", "5.15.136-fake")
    fake.write("proc/sys/kernel/random/boot_id", "c0ffee00-0000-4000-8000-000000000000")
    fake.write("proc/loadavg", "0.25 0.20 0.10 1/300 4242")
    fake.write(
        "proc/meminfo", f"MemTotal: {what.memory_kb} kB\nMemFree: 1000 kB\nMemAvailable: {what.memory_kb // 2} kB"
    )
    fake.write("etc/os-release", 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.4 LTS"')
    if what.model:
        fake.write("sys/firmware/devicetree/base/model", what.model + "\0")
    if what.release:
        fake.write("etc/nv_tegra_release", what.release)
    if what.power_mode:
        _program(fake, "usr/sbin/nvpmodel", "-q", what.power_mode)
    if what.throttled:
        _program(fake, "usr/bin/vcgencmd", "get_throttled", what.throttled)


def _program(fake: FakeBoard, path: str, argument: str, answer: str) -> None:
    name = Path(path).name
    fake.answer(name, answer)
    fake.write(path, PROGRAM.format(answer=fake.root / "answers" / name, argument=argument)).chmod(0o755)
