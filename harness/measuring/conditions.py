"""Under what conditions a process measured: its sensor readings, summed up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from devices import Reading

_MB = 1e6


class Span(NamedTuple):
    """What a quantity did over the readings of a process."""

    first: float
    lowest: float
    highest: float
    last: float


@dataclass(frozen=True)
class Conditions:
    """Readings from the end of warm-up to the last round; None or nothing where the device cannot tell."""

    readings: int
    reading_ms: float
    """How long one reading of the sensors took, median; none was taken while a network ran."""
    cpu_mhz: Span | None
    """Of the fastest core."""
    gpu_mhz: Span | None
    hottest_c: Span | None
    temperatures_c: dict[str, Span]
    power_w: Span | None
    """Of the whole board."""
    rails_w: dict[str, Span]
    gpu_power_w: Span | None
    memory_used_mb: Span | None
    gpu_memory_used_mb: Span | None
    load: Span | None
    throttling: tuple[str, ...]
    """Why the firmware slowed the device down at any time."""
    gpu_throttling: tuple[str, ...]
    """Why the GPU was slowed down at any time."""


def conditions_of(readings: Sequence[Reading]) -> Conditions | None:
    """Return what the readings, in their order, say together; None for none."""
    if not readings:
        return None

    return Conditions(
        readings=len(readings),
        reading_ms=float(np.median([1e3 * reading.took_s for reading in readings])),
        cpu_mhz=_span(reading.cpu_mhz for reading in readings),
        gpu_mhz=_span(reading.gpu_mhz for reading in readings),
        hottest_c=_span(reading.hottest_c for reading in readings),
        temperatures_c=_spans([reading.temperatures_c for reading in readings]),
        power_w=_span(reading.power_w for reading in readings),
        rails_w=_spans([reading.rails_w for reading in readings]),
        gpu_power_w=_span(reading.gpu_power_w for reading in readings),
        memory_used_mb=_span((reading.memory_used for reading in readings), _MB),
        gpu_memory_used_mb=_span((reading.gpu_memory_used for reading in readings), _MB),
        load=_span(reading.load for reading in readings),
        throttling=_union(reading.throttling for reading in readings),
        gpu_throttling=_union(reading.gpu_throttling for reading in readings),
    )


def _span(values: Iterable[float | None], unit: float = 1.0) -> Span | None:
    known = [value / unit for value in values if value is not None]
    return Span(known[0], min(known), max(known), known[-1]) if known else None


def _spans(groups: Sequence[dict[str, float]]) -> dict[str, Span]:
    found = {name: _span(group.get(name) for group in groups) for name in _union(groups)}
    return {name: span for name, span in found.items() if span}


def _union(groups: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in groups for name in group))
