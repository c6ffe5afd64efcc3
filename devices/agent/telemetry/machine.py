"""Memory and load of the whole machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .optional import psutil_for

if TYPE_CHECKING:
    from ..files import Files


class Memory(NamedTuple):
    """Bytes; None where they cannot be known."""

    total: int | None
    used: int | None
    """What programs and devices that share the memory hold: all that the kernel could not hand out at once."""


def machine_memory(files: Files) -> Memory:
    """Return the machine's memory."""
    fields = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB", files.read("/proc/meminfo") or "", re.M))
    if len(fields) == 2:
        total = 1024 * int(fields["MemTotal"])
        return Memory(total, total - 1024 * int(fields["MemAvailable"]))
    psutil = psutil_for(files)
    if psutil is None:
        return Memory(None, None)
    memory = psutil.virtual_memory()
    return Memory(memory.total, memory.total - memory.available)


def load_average(files: Files) -> float | None:
    """Return how many tasks ran or waited to run, averaged over a minute."""
    try:
        return float((files.read("/proc/loadavg") or "").split()[0])
    except (IndexError, ValueError):
        return None
