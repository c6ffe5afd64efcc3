"""Temperatures of all thermal zones, by their type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .optional import psutil_for

if TYPE_CHECKING:
    from ..files import Files

#: A zone whose part is switched off answers -256; no silicon that answers is outside of this, in degrees Celsius.
_POSSIBLE_C = (-60.0, 200.0)


class Temperatures:
    """The zones below /sys/devices/virtual/thermal, and what psutil finds where there is none."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._zones: dict[str, str] = {}
        for path in files.find("/sys/devices/virtual/thermal/thermal_zone*/temp"):
            folder = path.rpartition("/")[0]
            number = folder.rpartition("thermal_zone")[2]
            name = files.read(folder + "/type") or "zone"
            self._zones[name if name not in self._zones else "%s %s" % (name, number)] = path
        self._psutil: Any = None if self._zones else psutil_for(files)

    def read(self) -> dict[str, float]:
        """Return degrees Celsius by zone; a zone that cannot be read now is left out."""
        readings = {name: self._files.number(path) for name, path in self._zones.items()}
        found = {name: reading / 1e3 for name, reading in readings.items() if reading is not None}
        if self._psutil is not None:
            found = self._by_psutil()
        return {name: value for name, value in found.items() if _POSSIBLE_C[0] < value < _POSSIBLE_C[1]}

    def _by_psutil(self) -> dict[str, float]:
        try:
            chips = self._psutil.sensors_temperatures()
        except (AttributeError, OSError, ValueError):
            return {}
        return {
            ("%s %s" % (chip, sensor.label or number)): float(sensor.current)
            for chip, sensors in chips.items()
            for number, sensor in enumerate(sensors)
        }
