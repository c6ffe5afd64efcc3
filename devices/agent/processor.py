"""What the processor is called and how many cores it has, from the words of procfs and sysfs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .files import Files

_SIBLINGS = "/sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list"

# A 64-bit ARM kernel tells implementer and part of the register MIDR_EL1, but no name (or "ARMv8 Processor" for all).
# Source: Linux, arch/arm64/include/asm/cputype.h; the parts are those of common boards and servers.
_PARTS = {
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD09): "Cortex-A73",
    (0x41, 0xD0A): "Cortex-A75",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD0D): "Cortex-A77",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD41): "Cortex-A78",
    (0x41, 0xD42): "Cortex-A78AE",
    (0x41, 0xD49): "Neoverse-N2",
    (0x41, 0xD4F): "Neoverse-V2",
    (0x4E, 0x003): "Denver",
    (0x4E, 0x004): "Carmel",
}
_ARM_CORE = re.compile(r"^CPU implementer\s*:\s*(0x[0-9a-f]{1,4})$(?:\n.+)*?\nCPU part\s*:\s*(0x[0-9a-f]{1,4})$", re.M)


def name(cpuinfo: str) -> str | None:
    """Return the processor's name out of /proc/cpuinfo (of every kind of ARM core in it); None where it has none."""
    kinds = {(int(implementer, 16), int(part, 16)) for implementer, part in _ARM_CORE.findall(cpuinfo)}
    if kinds:
        return " + ".join(_PARTS.get(kind, "ARM implementer 0x%02x part 0x%03x" % kind) for kind in sorted(kinds))
    found = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", cpuinfo, re.M)
    return found.group(1).strip() if found else None


def physical_cores(files: Files, cpuinfo: str) -> int | None:
    """Return the number of physical cores: of sets of sibling threads in sysfs, else as /proc/cpuinfo (x86) tells."""
    siblings = {files.read(path) or "" for path in files.find(_SIBLINGS)} - {""}
    if siblings:
        return len(siblings)
    packages = re.findall(r"^physical id\s*:\s*(\d+)", cpuinfo, re.M)
    cores = re.findall(r"^core id\s*:\s*(\d+)", cpuinfo, re.M)
    if len(packages) != len(cores):
        return None
    return len(set(zip(packages, cores))) or None  # noqa: B905 (Python 3.8 has no strict)
