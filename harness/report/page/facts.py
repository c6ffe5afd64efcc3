"""What the page shows beside the rows of the trade-off: plain values, put together by whoever knows the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Rounds = Sequence[Sequence[int]]
Ends = tuple[float, float]


@dataclass(frozen=True)
class Layer:
    """One width of the network: its name, and how many channels the full network has there."""

    name: str
    full: int


@dataclass(frozen=True)
class ProcessSamples:
    """What one process measured of a subnet, and of the anchor in the same rounds; nanoseconds."""

    ended: str
    """ISO 8601."""
    rounds_ns: Rounds
    anchor_ns: Rounds


@dataclass(frozen=True)
class SubnetSamples:
    """The raw samples of one subnet on one device, a process after the other."""

    device: str
    precision: str
    batch_size: int
    arch_id: str
    processes: Sequence[ProcessSamples]


@dataclass(frozen=True)
class Moment:
    """The state of a device while one process measured; None where it cannot be read."""

    ended: str
    """ISO 8601."""
    anchor_ms: float
    """Median of the anchor, which is the same network in all processes."""
    cpu_mhz: Ends | None = None
    """Lowest and highest; of the fastest core."""
    gpu_mhz: Ends | None = None
    hottest_c: Ends | None = None
    power_w: Ends | None = None
    others_load: float | None = None
    """Share of the machine's cores that other processes used."""


@dataclass(frozen=True)
class Caution:
    """Something that speaks against a figure, in words, and what to do about it."""

    text: str
    advice: str = ""


@dataclass(frozen=True)
class RunFacts:
    """All of it; what is not known is left out of the page."""

    layers: Sequence[Layer] = ()
    """In the order of a row's widths."""
    samples: Sequence[SubnetSamples] = ()
    moments: Mapping[str, Sequence[Moment]] = field(default_factory=dict)
    """By the name of the series (``Row.series``), in order of time."""
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By heading: names and values."""
    cautions: Sequence[Caution] = ()
