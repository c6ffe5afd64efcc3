"""What the device is doing while networks are timed: clocks, temperatures, power, memory, load, throttling.

Nothing here runs beside a timed run: readings are taken between visits, in the one thread there is. Whatever cannot be
read is None or left out, and `facts` says why.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .clocks import Clocks
from .machine import load_average, machine_memory
from .nvml import Gpu
from .power import EnergyCounters, Rails
from .programs import FirmwareThrottling, power_mode
from .temperatures import Temperatures

if TYPE_CHECKING:
    from ..files import Files

PERIOD_S = 0.1
#: A reading that takes long is taken seldom: so many times its own duration passes before the next.
SPARING = 20


class Telemetry:
    """The sensors of one machine, looked for when they are first needed."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._sensors: _Sensors | None = None
        self._next_s = float("-inf")

    def facts(self) -> dict[str, Any]:
        """Return what describes the machine beside `host.describe`; `missing` has a reason for whatever is unknown."""
        return self._found().facts()

    def reading(self) -> dict[str, Any]:
        """Take a reading now; `took_s` is how long that was."""
        sensors = self._found()
        start_s = time.monotonic()
        reading = sensors.read()
        took_s = time.monotonic() - start_s
        self._next_s = start_s + max(PERIOD_S, SPARING * took_s)
        return dict(reading, at_s=start_s, took_s=took_s)

    def due(self, insist: bool = False) -> list[dict[str, Any]]:
        """Return a reading where the last one is a period old (or it is insisted on), else nothing."""
        return [self.reading()] if insist or time.monotonic() >= self._next_s else []

    def _found(self) -> _Sensors:
        if self._sensors is None:
            self._sensors = _Sensors(self._files)
        return self._sensors


class _Sensors:
    """Every sensor of the machine."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._gpu = Gpu()
        self._clocks = Clocks(files)
        self._temperatures = Temperatures(files)
        self._rails = Rails(files)
        self._counters = EnergyCounters(files)
        self._firmware = FirmwareThrottling(files)

    def read(self) -> dict[str, Any]:
        rails, gpu = self._rails.read(), self._gpu.read()  # power first: it falls once the network has stopped
        counted = self._counters.read()
        temperatures = self._temperatures.read()
        if gpu.temperature_c is not None:
            temperatures[self._gpu.name or "GPU"] = gpu.temperature_c
        return {
            "cpu_mhz": self._clocks.cpu_mhz(),
            "gpu_mhz": self._clocks.gpu_mhz() if gpu.clock_mhz is None else gpu.clock_mhz,
            "temperatures_c": temperatures,
            "rails_w": rails.watts,
            "power_w": rails.total_w,
            "gpu_power_w": gpu.power_w,
            "energy_j": counted,
            "memory_used": machine_memory(self._files).used,
            "gpu_memory_used": gpu.memory_used,
            "load": load_average(self._files),
            "throttling": self._firmware.read(),
            "gpu_throttling": gpu.throttling,
        }

    def facts(self) -> dict[str, Any]:
        mode, why_no_mode = power_mode(self._files)
        temperatures = self._temperatures.read()
        missing = {
            "power mode": why_no_mode,
            "temperature": None if temperatures else "no thermal zone can be read",
            "power rails": self._rails.missing,
            "energy counters": self._counters.missing,
            "NVML": self._gpu.missing,
            "firmware throttling": self._firmware.missing,
        }
        return {
            "power_mode": mode,
            "gpu": self._gpu.name or self._clocks.gpu_name,
            "gpu_driver": self._gpu.driver,
            "memory_total": machine_memory(self._files).total,
            "temperatures_c": temperatures,
            "cpu_limits_mhz": self._clocks.cpu_limits_mhz(),
            "gpu_limits_mhz": self._clocks.gpu_limits_mhz(),
            "throttled_before": self._firmware.before,
            "missing": {name: reason for name, reason in missing.items() if reason},
        }
