"""Power of a board's rails, and the processor's own energy counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..files import Files

#: Rails that all the others branch off from: where there is one, it is the whole board's power.
_INPUTS = ("VDD_IN", "POM_5V_IN")
_CHANNELS = range(1, 7)  # channel 7 is the chip's own sum of shunt voltages, no rail


class RailReading(NamedTuple):
    """Power in watts."""

    watts: dict[str, float]
    total_w: float | None
    """The board's input rails alone where it has any, else the sum; None where that cannot be read completely."""


class Rails:
    """The rails that INA3221 sensors measure."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._rails: dict[str, tuple[str, str]] = {}
        self._labels: dict[str, str] = {}
        """By rail: its own name, or with a number where others before it are labelled alike."""
        chips = [
            path[: -len("name")]
            for path in files.find("/sys/bus/i2c/devices/*/name")
            if "ina3221" in (files.read(path) or "")
        ]
        for folder in (found for chip in chips for found in files.find(chip + "hwmon/hwmon*")):
            for channel in _CHANNELS:
                label = files.read("%s/in%d_label" % (folder, channel))
                if label and label.upper() != "NC":
                    volts, amperes = ("%s/%s%d_input" % (folder, kind, channel) for kind in ("in", "curr"))
                    number = list(self._labels.values()).count(label) + 1
                    rail = label if number == 1 else "%s %d" % (label, number)
                    self._labels[rail], self._rails[rail] = label, (volts, amperes)
        self.missing = None if self._rails else "there is no INA3221 power sensor with a connected channel"

    def read(self) -> RailReading:
        """Return the power of every rail that can be read now."""
        watts = {rail: self._watts(*paths) for rail, paths in self._rails.items()}
        known = {rail: value for rail, value in watts.items() if value is not None}
        return RailReading(known, self._total(known))

    def _total(self, known: dict[str, float]) -> float | None:
        labels = self._labels.values()
        first = next((label for label in _INPUTS if label in labels), None)
        counted = [rail for rail, label in self._labels.items() if first in (None, label)]
        return sum(known[rail] for rail in counted) if counted and set(counted) <= set(known) else None

    def _watts(self, volts: str, amperes: str) -> float | None:
        millivolts, milliamperes = self._files.number(volts), self._files.number(amperes)
        return None if millivolts is None or milliamperes is None else millivolts * milliamperes / 1e6


class EnergyCounters:
    """RAPL: the energy that every processor package has used, counted by the processor itself."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._counters: dict[str, str] = {}
        found = files.find("/sys/class/powercap/intel-rapl:[0-9]*/energy_uj")
        for path in found:
            folder = path.rpartition("/")[0]
            name = files.read(folder + "/name") or ""
            if name.startswith("package") and files.number(path) is not None:
                self._counters[name] = folder
        self.missing = None if self._counters else "there is no energy counter of the processor"
        if found and not self._counters:
            self.missing = "the energy counter of the processor, %s, cannot be read by this user" % found[0]

    def read(self) -> dict[str, list[float]]:
        """Return joules counted, and joules at which the counter begins anew, by package."""
        counted = {}
        for name, folder in self._counters.items():
            energy, most = (self._files.number(folder + part) for part in ("/energy_uj", "/max_energy_range_uj"))
            if energy is not None and most:
                counted[name] = [energy / 1e6, most / 1e6]
        return counted
