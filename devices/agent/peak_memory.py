"""What memory a network takes: of this process, of the GPU, and of the machine where both share it."""

from __future__ import annotations

import gc
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .telemetry.optional import find_psutil

if TYPE_CHECKING:
    from .telemetry import Telemetry

#: The kernel counts resident pages per thread and adds them up now and then: so far may two counts of one set differ.
_COUNT_SLACK = 8 * 2**20


class PeakMemory:
    """Watches from the moment it is made; bytes throughout."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        telemetry.reading()  # the sensors' own libraries are not the network's
        gc.collect()
        self._exact = _reset_peak()
        self._baseline = self._now()
        self._peak = dict(self._baseline)

    def look(self) -> None:
        """Take the present use into account."""
        for name, used in self._now().items():
            if used is not None:
                self._peak[name] = max(used, self._peak[name] or 0)

    def found(self) -> dict[str, Any]:
        """Return `process`, `gpu` and `machine`, each with `baseline`, `peak` and `last` (what is in use now).

        `exact` tells of the process's peak: exact is what the kernel kept, else it is the most seen between runs.
        """
        last = self._now()
        self.look()
        if self._exact:
            self._peak["process"] = _status("VmHWM")
        found: dict[str, Any] = {
            name: {"baseline": baseline, "peak": self._peak[name], "last": last[name]}
            for name, baseline in self._baseline.items()
            if baseline is not None
        }
        return dict({"process": None, "gpu": None, "machine": None}, **found, exact=self._exact)

    def _now(self) -> dict[str, int | None]:
        reading = self._telemetry.reading()
        return {"process": _resident(), "gpu": reading["gpu_memory_used"], "machine": reading["memory_used"]}


def _resident() -> int | None:
    resident = _status("VmRSS")
    if resident is not None:
        return resident
    psutil = find_psutil()
    return None if psutil is None else int(psutil.Process().memory_info().rss)


def _reset_peak() -> bool:
    """Ask the kernel to forget this process's peak; return whether it did."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    peak, now = _status("VmHWM"), _status("VmRSS")
    return peak is not None and now is not None and peak <= now + _COUNT_SLACK


def _status(name: str) -> int | None:
    """Return an entry of this process's own status (which no made-up tree stands in for) in bytes."""
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"^%s:\s*(\d+) kB" % name, text, re.M)
    return 1024 * int(found.group(1)) if found else None
