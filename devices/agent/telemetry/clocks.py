"""Clocks of the processor and of an integrated GPU, in MHz."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..files import Files

_CPU = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/"
_GPUS = ("gpu", "ga10b", "gv11b")


class Clocks:
    """The clocks that sysfs shows."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._cpu = files.find(_CPU + "scaling_cur_freq")
        found = [path for name in _GPUS for path in files.find("/sys/class/devfreq/*%s*/cur_freq" % name)]
        self._gpu = found[0] if found else None

    @property
    def gpu_name(self) -> str | None:
        """What the kernel calls the integrated GPU."""
        return self._gpu.split("/")[-2] if self._gpu else None

    def cpu_mhz(self) -> float | None:
        """Return the fastest core's clock: idle cores slow down by design."""
        clocks = self._megahertz(self._cpu, 1e3)
        if not clocks and not self._cpu:
            text = self._files.read("/proc/cpuinfo") or ""
            clocks = [float(mhz) for mhz in re.findall(r"^cpu MHz\s*:\s*([0-9.]+)", text, re.M)]
        return max(clocks) if clocks else None

    def gpu_mhz(self) -> float | None:
        """Return the integrated GPU's clock."""
        clocks = self._megahertz([self._gpu] if self._gpu else [], 1e6)
        return clocks[0] if clocks else None

    def cpu_limits_mhz(self) -> list[float] | None:
        """Return between what the governor may choose, over all cores; None where it is not said."""
        low, high = (
            self._megahertz(self._files.find(_CPU + name), 1e3) for name in ("scaling_min_freq", "scaling_max_freq")
        )
        return [min(low), max(high)] if low and high else None

    def gpu_limits_mhz(self) -> list[float] | None:
        """Return between what the integrated GPU's clock may move; None where it is not said."""
        if self._gpu is None:
            return None
        folder = self._gpu[: -len("cur_freq")]
        limits = self._megahertz([folder + "min_freq", folder + "max_freq"], 1e6)
        return limits if len(limits) == 2 else None

    def _megahertz(self, paths: list[str], per_megahertz: float) -> list[float]:
        readings = (self._files.number(path) for path in paths)
        return [reading / per_megahertz for reading in readings if reading]
