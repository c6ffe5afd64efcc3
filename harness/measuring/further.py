"""All the passes after latency that a chosen subnet gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devices import Device
from harness.measuring.energy import EnergyRecord, measure_energy
from harness.measuring.memory import MemoryRecord, measure_memory
from harness.measuring.passes import PassRecord
from harness.measuring.results import Subject
from harness.measuring.store import Store
from harness.measuring.sustained import SustainedRecord, measure_sustained


@dataclass(frozen=True)
class FurtherCosts:
    """What a subnet costs beside its latency when the device is cool."""

    memory: MemoryRecord
    energy: EnergyRecord
    sustained: SustainedRecord | None
    """None where the profile does not ask for it."""

    @property
    def records(self) -> list[PassRecord]:
        """The passes that were made."""
        return [self.memory, self.energy, *([self.sustained] if self.sustained else [])]


def measure_further(
    device: Device,
    subject: Subject,
    *,
    store: Store,
    memory: MemoryRecord | None = None,
    energy: EnergyRecord | None = None,
    heating: Callable[[float, float], None] = lambda done_s, most_s: None,
) -> FurtherCosts:
    """Measure memory, energy and, where the profile asks for it, sustained latency; reused where the store has them.

    `memory` and `energy` are what is known already; `heating` counts the seconds that the last one takes towards their
    limit.
    """
    steady = device.profile.sustained
    return FurtherCosts(
        memory=memory or measure_memory(device, subject, store=store),
        energy=energy or measure_energy(device, subject, store=store),
        sustained=measure_sustained(device, subject, store=store, progress=heating) if steady else None,
    )
