"""Energy of one inference: power integrated over a steady window, without what the idle device would have used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from scipy import integrate

from devices import Device, Protocol, Reading
from devices.telemetry import EnergyReadings, PowerReading
from harness.measuring.passes import OWN_PROCESS, PassRecord, find_or_make
from harness.measuring.results import Subject
from harness.measuring.store import Store

Sensor = Literal["power_w", "gpu_power_w", "energy_j"]
"""Power rails of the board; power of the GPU's board, without the host; energy counters of the processor packages."""

#: Fewer readings of a window do not make an integral.
LEAST_READINGS = 5
#: Share of the steady window that inferences must fill: an engine that starts and stops has no steady power.
LEAST_BUSY = 0.5

_Power = TypeVar("_Power", bound=PowerReading)


@dataclass(frozen=True, kw_only=True)
class EnergyRecord(PassRecord):
    """What an energy pass found."""

    kind: ClassVar[str] = "energy"

    energy_mj: float | None = None
    """Millijoules of one inference of one image, idle power subtracted; None where unknown."""
    sensor: Sensor | None = None
    idle_w: float | None = None
    """Mean power while nothing ran."""
    steady_w: float | None = None
    """Mean power while the network ran without pause."""
    readings: EnergyReadings | None = None

    @property
    def figure(self) -> float | None:
        """The energy of one image."""
        return self.energy_mj

    def serves(self, protocol: Protocol) -> bool:
        """Return whether warm-up and both windows were as long as `protocol` asks."""
        own = self.protocol
        windows = own.energy_idle_s >= protocol.energy_idle_s and own.energy_steady_s >= protocol.energy_steady_s
        return windows and own.energy_warmup_s >= protocol.energy_warmup_s


def measure_energy(device: Device, subject: Subject, *, store: Store, protocol: Protocol | None = None) -> EnergyRecord:
    """Return what one image costs a subject in energy; reused where the store has it.

    Where there is no sensor, or nothing can be told from it, there is a record with the reason and no figure.
    """
    protocol = protocol or device.profile.protocol
    return find_or_make(EnergyRecord, device, subject, store, protocol, lambda: _measured(device, subject, protocol))


def _measured(device: Device, subject: Subject, protocol: Protocol) -> dict[str, Any]:
    if device.engine in OWN_PROCESS:
        return {"reason": f"{device.engine} is started anew for every visit: too little of the time is the network's"}
    with device.agent() as agent:
        sensor = sensor_for(agent.read_telemetry().reading, on_gpu=device.describe().on_gpu)
        if sensor is None:
            return {"reason": "no sensor: " + "; ".join(_missing(device))}
        readings = agent.measure_energy(
            device.load(agent, subject.file, subject.precision),
            idle_s=protocol.energy_idle_s,
            warm_s=protocol.energy_warmup_s,
            steady_s=protocol.energy_steady_s,
        )
    return {"sensor": sensor, "readings": readings, **evaluate(readings, sensor, subject.batch_size)}


def sensor_for(reading: Reading, *, on_gpu: bool) -> Sensor | None:
    """Return the sensor that sees an engine's work: the whole board's, else that of what computes."""
    if reading.power_w is not None:
        return "power_w"
    if on_gpu:
        return "gpu_power_w" if reading.gpu_power_w is not None else None
    return "energy_j" if reading.energy_j else None


def evaluate(readings: EnergyReadings, sensor: Sensor, batch_size: int) -> dict[str, Any]:
    """Return `energy_mj`, `idle_w` and `steady_w`, or the `reason` why there is no energy.

    Energy is the integral over the whole steady window, by the trapezoid rule (or what a counter counted in it), minus
    idle power times its length, over the inferences in it and their images. The time in which the sensors were read is
    in the window, as it is in the idle one.
    """
    idle, steady = _answered(readings.idle, sensor), _answered(readings.steady, sensor)
    if min(len(idle), len(steady)) < LEAST_READINGS:
        return {"reason": f"the sensor answered {len(idle)} times idle and {len(steady)} times running"}
    window_s, runs = _length(steady), steady[-1].runs - steady[0].runs
    if window_s <= 0 or _length(idle) <= 0 or runs <= 0:
        return {"reason": "the clock of the device stood still"}
    busy = (steady[-1].busy_ns - steady[0].busy_ns) / 1e9 / window_s
    if busy < LEAST_BUSY:
        return {"reason": f"the engine ran for {busy:.0%} of the window: too little to have a steady power"}
    idle_w, steady_j = joules(idle, sensor) / _length(idle), joules(steady, sensor)
    powers = {"idle_w": idle_w, "steady_w": steady_j / window_s}
    net_j = steady_j - idle_w * window_s
    if net_j <= 0:
        reason = f"the power while running, {steady_j / window_s:.3g} W, was not above that of the idle device"
        return {**powers, "reason": reason}
    return {**powers, "energy_mj": 1e3 * net_j / (runs * batch_size)}


def joules(readings: Sequence[PowerReading], sensor: Sensor) -> float:
    """Return the energy between the first and the last of the readings, all of which have the sensor's answer."""
    if sensor == "energy_j":
        return sum(_counted(earlier, later) for earlier, later in pairwise(readings))
    watts = np.array([getattr(reading, sensor) for reading in readings], dtype=float)
    return float(integrate.trapezoid(watts, [reading.at_s for reading in readings]))


def _counted(earlier: PowerReading, later: PowerReading) -> float:
    """Return what all packages counted in between; a counter that begins anew has reached its range once."""
    total = 0.0
    for package, (before_j, range_j) in earlier.energy_j.items():
        difference = later.energy_j[package][0] - before_j
        total += difference if difference >= 0 else difference + range_j
    return total


def _answered(readings: Sequence[_Power], sensor: Sensor) -> list[_Power]:
    """Return the readings in which the sensor answered; of counters, all those of the first that did."""
    if sensor == "energy_j":
        packages = next((reading.energy_j.keys() for reading in readings if reading.energy_j), None)
        return [reading for reading in readings if reading.energy_j.keys() == packages]
    return [reading for reading in readings if getattr(reading, sensor) is not None]


def _length(readings: Sequence[PowerReading]) -> float:
    return readings[-1].at_s - readings[0].at_s


def _missing(device: Device) -> list[str]:
    """Return what the device says of the sensors of power that it lacks."""
    missing = device.description().host.missing
    names = ("power rails", "NVML") if device.describe().on_gpu else ("power rails", "energy counters")
    return [missing[name] for name in names if name in missing] or ["the power cannot be read"]
