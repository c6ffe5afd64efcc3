from pathlib import Path

import pytest

from devices.agent import processor
from devices.agent.files import Files

X86 = """processor\t: {0}
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Processor
physical id\t: 0
core id\t\t: {1}

"""
ARM = """processor\t: {0}
BogoMIPS\t: 108.00
CPU implementer\t: {1}
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: {2}
CPU revision\t: 1

"""
RASPBERRY = "Revision\t: d04170\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n"
JETSON = "model name\t: ARMv8 Processor rev 1 (v8l)\n"


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (X86.format(0, 0), "Intel(R) Xeon(R) Processor"),
        (ARM.format(0, "0x41", "0xd0b") * 4 + RASPBERRY, "Cortex-A76"),
        (JETSON + ARM.format(0, "0x41", "0xd42"), "Cortex-A78AE"),
        (ARM.format(0, "0x41", "0xd0b") + ARM.format(1, "0x41", "0xd05"), "Cortex-A55 + Cortex-A76"),
        (ARM.format(0, "0x61", "0x23"), "ARM implementer 0x61 part 0x023"),
        (RASPBERRY, "Raspberry Pi 5 Model B Rev 1.0"),
        ("processor\t: 0\nCPU part\t: 0xd0b\n", None),
        ("", None),
    ],
    ids=["x86", "raspberry", "jetson", "two-kinds", "unknown-part", "no-part", "half", "empty"],
)
def test_a_processor_is_called_by_its_cores(cpuinfo: str, name: str | None) -> None:
    assert processor.name(cpuinfo) == name


def topology(folder: Path, siblings: list[str]) -> Files:
    for number, text in enumerate(siblings):
        path = folder / "sys/devices/system/cpu" / f"cpu{number}" / "topology" / "thread_siblings_list"
        path.parent.mkdir(parents=True)
        path.write_text(text + "\n")
    return Files(str(folder))


@pytest.mark.parametrize(
    ("siblings", "cores"), [(["0", "1", "2", "3"], 4), (["0-1", "0-1", "2-3", "2-3"], 2), (["", ""], None)]
)
def test_physical_cores_are_the_sets_of_sibling_threads(tmp_path: Path, siblings: list[str], cores: int | None) -> None:
    assert processor.physical_cores(topology(tmp_path, siblings), ARM.format(0, "0x41", "0xd0b") * 4) == cores


def test_without_sysfs_the_physical_cores_are_what_cpuinfo_tells_or_unknown(tmp_path: Path) -> None:
    files = Files(str(tmp_path))
    assert processor.physical_cores(files, X86.format(0, 0) + X86.format(1, 0) + X86.format(2, 1)) == 2
    assert processor.physical_cores(files, ARM.format(0, "0x41", "0xd0b")) is None
