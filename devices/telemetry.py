"""What the sensors of a device say, as the agent read them; see `devices.agent.telemetry`."""

from typing import Annotated

from pydantic import BaseModel, Field, FiniteFloat

Megahertz = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Watts = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Joules = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=0, le=2**60)]

#: Zones that follow no load: a PMIC's answers the same number on many Jetsons, and the fan's is computed for the fan.
_NO_THERMOMETERS = ("pmic", "fan-est")


class Reading(BaseModel):
    """All sensors at one moment; None or nothing where the device cannot tell."""

    at_s: FiniteFloat
    """On the device's monotonic clock."""
    took_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """How long reading the sensors took."""
    cpu_mhz: Megahertz | None
    """Of the fastest core."""
    gpu_mhz: Megahertz | None
    temperatures_c: dict[str, FiniteFloat]
    """By thermal zone."""
    rails_w: dict[str, FiniteFloat]
    power_w: Watts | None
    """Of the whole board: its input rail, else the sum of all rails."""
    gpu_power_w: Watts | None
    """Of a discrete GPU's board."""
    energy_j: dict[str, tuple[Joules, Joules]]
    """Of every processor package: joules counted, and joules at which the counter begins anew."""
    memory_used: Bytes | None
    """In bytes; of the machine, and with it of a GPU that shares its memory."""
    gpu_memory_used: Bytes | None
    """In bytes; of a GPU with memory of its own, for all processes."""
    load: FiniteFloat | None
    """Tasks running or waiting to run, averaged over a minute."""
    throttling: tuple[str, ...]
    """Why the firmware slows the whole device down."""
    gpu_throttling: tuple[str, ...]
    """Why a GPU with a driver of its own is slowed down."""

    @property
    def hottest_c(self) -> float | None:
        """The temperature of the hottest part."""
        return hottest(self.temperatures_c)


def hottest(temperatures_c: dict[str, float]) -> float | None:
    """Return the highest of the temperatures that follow the load."""
    return max(
        (value for zone, value in temperatures_c.items() if not any(n in zone.lower() for n in _NO_THERMOMETERS)),
        default=None,
    )


class Use(BaseModel):
    """Memory in use, in bytes."""

    baseline: Bytes
    """With the runtime loaded and warm, but no network."""
    peak: Bytes
    """The most while the network was loaded and run."""
    last: Bytes
    """After the last run, with the network loaded."""


class MemoryReadings(BaseModel):
    """What `memory` answers; None where it cannot be known."""

    process: Use | None
    """Resident memory of the process."""
    gpu: Use | None
    """Memory in use on a GPU with memory of its own."""
    machine: Use | None
    """Memory in use on the whole machine."""
    exact: bool
    """Whether the process's peak is the kernel's own; else it is the most that was seen between runs."""
    finite: bool


class PowerReading(BaseModel):
    """The sensors of power and energy at one moment; see `Reading`."""

    at_s: FiniteFloat
    power_w: Watts | None
    gpu_power_w: Watts | None
    energy_j: dict[str, tuple[Joules, Joules]]


class SteadyReading(PowerReading):
    """A reading while a network runs without pause."""

    runs: Annotated[int, Field(ge=0, le=2**60)]
    """Inferences since the window began."""
    busy_ns: Annotated[int, Field(ge=0, le=2**60)]
    """Nanoseconds that those took."""


class EnergyReadings(BaseModel):
    """What `energy` answers."""

    idle: Annotated[tuple[PowerReading, ...], Field(min_length=2)]
    steady: Annotated[tuple[SteadyReading, ...], Field(min_length=2)]
