"""What the machine the agent runs on is, and what it is doing: read from procfs, sysfs and the standard library."""

from __future__ import annotations

import os
import platform
import re
import time
from typing import TYPE_CHECKING, Any

from . import processor

if TYPE_CHECKING:
    from .files import Files


def describe(files: Files) -> dict[str, Any]:
    """Return what does not change while the machine runs; None where it cannot be known."""
    cpuinfo = files.read("/proc/cpuinfo") or ""
    cpu = processor.name(cpuinfo) or platform.processor() or platform.machine()
    return {
        "model": files.read("/sys/firmware/devicetree/base/model") or None,
        "cpu": cpu,
        "machine": platform.machine(),
        "system": _first(r'^PRETTY_NAME="?([^"\n]+)"?', files.read("/etc/os-release") or "") or platform.system(),
        "l4t": l4t(files),
        "kernel": files.read("/proc/sys/kernel/osrelease") or platform.release(),
        "python": platform.python_version(),
        "physical_cores": processor.physical_cores(files, cpuinfo),
        "logical_cores": os.cpu_count() or 1,
        "governor": _governor(files),
        "boot_id": files.read("/proc/sys/kernel/random/boot_id"),
    }


def state(files: Files) -> dict[str, Any]:
    """Return a wall clock and processor times in seconds.

    `busy_s` is what all processes have used on all cores since boot, `own_s` what this process has used, and the
    programs that it has run to their end.
    """
    programs = os.times()
    own_s = time.process_time() + programs.children_user + programs.children_system
    return {"wall_s": time.monotonic(), "busy_s": _busy_seconds(files), "own_s": own_s}


def _governor(files: Files) -> str | None:
    """Return the frequency governor; several, where the cores' clusters differ."""
    found = files.find("/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    return ", ".join(sorted({files.read(path) or "unreadable" for path in found})) or None


def l4t(files: Files) -> str | None:
    """Return the release of Jetson Linux, as 36.3.0, from a line like `# R36 (release), REVISION: 3.0, GCID: ...`."""
    found = re.search(r"R(\d+)\b.*?REVISION:\s*([0-9.]+)", files.read("/etc/nv_tegra_release") or "")
    return "%s.%s" % found.groups() if found else None


def _busy_seconds(files: Files) -> float | None:
    fields = (files.read("/proc/stat") or "").split("\n", 1)[0].split()
    if len(fields) < 9:
        return None
    user, nice, system, _, _, irq, softirq, steal = (int(field) for field in fields[1:9])
    return float(user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.M)
    return found.group(1).strip() if found else None
