"""A discrete NVIDIA GPU through its management library, NVML, by ctypes.

Numbers and names are those of NVIDIA's nvml.h. On a Jetson the library may be there and answer little of this.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any, NamedTuple

_LIBRARY = "libnvidia-ml.so.1"
_NAME_BYTES = 96
_CLOCK_GRAPHICS = 0
_TEMPERATURE_GPU = 0

#: Bits that mean the hardware or the driver slows the GPU down. Not among them: idle, clocks that were set, and the
#: power cap, at which large networks run as a matter of course; what it costs shows in the clock.
_REASONS = (
    (0x08, "hardware slowdown"),
    (0x20, "thermal slowdown by the driver"),
    (0x40, "thermal slowdown by the hardware"),
    (0x80, "power brake"),
)


class GpuReading(NamedTuple):
    """What the library answers now; None where it does not."""

    clock_mhz: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    memory_used: int | None = None
    """Bytes in use on the whole GPU."""
    throttling: list[str] = []  # noqa: RUF012 (never changed)


class _Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class Gpu:
    """The GPU that CUDA programs started like this one use first."""

    def __init__(self) -> None:
        self.missing: str | None = None
        """Why nothing is known of a GPU."""
        self.name: str | None = None
        self.driver: str | None = None
        self._device = ctypes.c_void_p()
        try:
            self._library: Any = ctypes.CDLL(_LIBRARY)
        except OSError:
            self.missing = "%s cannot be loaded" % _LIBRARY
            return
        if not self._call("nvmlInit_v2"):
            self.missing = "%s cannot be initialised: is the driver running?" % _LIBRARY
            return
        self.missing = self._choose()
        if self.missing is None:
            self.name = self._text("nvmlDeviceGetName", self._device)
        self.driver = self._text("nvmlSystemGetDriverVersion")

    def read(self) -> GpuReading:
        """Return the GPU's present state."""
        if self.missing is not None:
            return GpuReading()
        clock = self._number("nvmlDeviceGetClockInfo", ctypes.c_uint(_CLOCK_GRAPHICS))
        temperature = self._number("nvmlDeviceGetTemperature", ctypes.c_uint(_TEMPERATURE_GPU))
        milliwatts = self._number("nvmlDeviceGetPowerUsage")
        memory, reasons = _Memory(), ctypes.c_ulonglong()
        memory_known = self._call("nvmlDeviceGetMemoryInfo", self._device, ctypes.byref(memory))
        self._call("nvmlDeviceGetCurrentClocksThrottleReasons", self._device, ctypes.byref(reasons))
        return GpuReading(
            clock_mhz=clock or None,
            temperature_c=temperature,
            power_w=None if milliwatts is None else milliwatts / 1e3,
            memory_used=int(memory.used) if memory_known else None,
            throttling=[name for bit, name in _REASONS if reasons.value & bit],
        )

    def _choose(self) -> str | None:
        """Take the GPU; return a reason where it is not clear which one."""
        count = ctypes.c_uint()
        if not self._call("nvmlDeviceGetCount_v2", ctypes.byref(count)) or not count.value:
            return "%s finds no GPU" % _LIBRARY
        handles = [ctypes.c_void_p() for _ in range(count.value)]
        for index, handle in enumerate(handles):
            if not self._call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle)):
                return "%s gives no access to GPU %d" % (_LIBRARY, index)
        # CUDA puts the fastest first unless told otherwise, NVML orders by bus: they agree on equal GPUs
        alike = len({self._text("nvmlDeviceGetName", handle) for handle in handles}) == 1
        if not alike and os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
            return "there are several different GPUs; set CUDA_DEVICE_ORDER=PCI_BUS_ID to say which comes first"
        first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"
        if not first.isdigit() or int(first) >= len(handles):
            return "CUDA_VISIBLE_DEVICES does not begin with the number of a GPU"
        self._device = handles[int(first)]
        return None

    def _number(self, function: str, *arguments: Any) -> float | None:
        value = ctypes.c_uint()
        return float(value.value) if self._call(function, self._device, *arguments, ctypes.byref(value)) else None

    def _text(self, function: str, *arguments: Any) -> str | None:
        buffer = ctypes.create_string_buffer(_NAME_BYTES)
        known = self._call(function, *arguments, buffer, ctypes.c_uint(_NAME_BYTES))
        return buffer.value.decode("utf-8", "replace") if known else None

    def _call(self, function: str, *arguments: Any) -> bool:
        """Call a function of the library; return whether it succeeded (an old library may not have it)."""
        try:
            return bool(getattr(self._library, function)(*arguments) == 0)
        except AttributeError:
            return False
