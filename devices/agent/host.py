"""What the machine the agent runs on is, and what it is doing: read from procfs, sysfs and the standard library."""

from __future__ import annotations

import os
import platform
import re
import time
from pathlib import Path
from typing import Any

from . import processor


def describe() -> dict[str, Any]:
    """Return what does not change while the machine runs; None where it cannot be known."""
    cpuinfo = _read("/proc/cpuinfo") or ""
    cpu = processor.name(cpuinfo) or platform.processor() or platform.machine()
    return {
        "model": (_read("/sys/firmware/devicetree/base/model") or "").strip("\0\n ") or None,
        "cpu": cpu,
        "machine": platform.machine(),
        "system": _first(r'^PRETTY_NAME="?([^"\n]+)"?', _read("/etc/os-release") or "") or platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "physical_cores": processor.physical_cores(cpuinfo),
        "logical_cores": os.cpu_count() or 1,
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "boot_id": _read("/proc/sys/kernel/random/boot_id"),
    }


def state() -> dict[str, Any]:
    """Return the momentary state: a wall clock and processor times in seconds, and the fastest core's clock in MHz.

    `busy_s` is what all processes have used on all cores since boot, `own_s` what this process has used. The clock is
    the fastest core's, because idle cores slow down by design.
    """
    return {"wall_s": time.monotonic(), "busy_s": _busy_seconds(), "own_s": time.process_time(), "clock_mhz": _clock()}


def _clock() -> float | None:
    readings = [_read(path) for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")]
    clocks = [int(reading) / 1000.0 for reading in readings if reading and reading.isdigit()]
    clocks = clocks or [
        float(mhz) for mhz in re.findall(r"^cpu MHz\s*:\s*([0-9.]+)", _read("/proc/cpuinfo") or "", re.M)
    ]
    return max(clocks) if clocks else None


def _busy_seconds() -> float | None:
    fields = (_read("/proc/stat") or "").split("\n", 1)[0].split()
    if len(fields) < 9:
        return None
    user, nice, system, _, _, irq, softirq, steal = (int(field) for field in fields[1:9])
    return float(user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.M)
    return found.group(1).strip() if found else None


def _read(path: str | Path) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
