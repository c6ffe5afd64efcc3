"""What measuring takes and gives: plain values, raw samples included."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from devices import Fingerprint, Protocol
from harness.measuring import statistics
from harness.measuring.conditions import Conditions

Verdict = Literal["ok", "noisy", "throttled", "failed"]
Kind = Literal["explore", "finalist"]
Rounds = tuple[tuple[int, ...], ...]

_MS = 1e6  # nanoseconds


class MeasurementError(Exception):
    """A measurement that cannot be made, kept, or decided."""


@dataclass(frozen=True)
class Subject:
    """One network to measure."""

    name: str
    """What results are filed under in one call; two names may share a file (the null test does)."""
    file: Path
    topology: str
    """What costs depend on: the hash of the graph and its shapes, without weights."""
    precision: str = "fp32"
    batch_size: int = 1


def device_key(fingerprint: Fingerprint) -> dict[str, str | int]:
    """Return what tells apart devices whose measurements must not be mixed, by name: the store finds records by it.

    What computes on a GPU is told apart by the GPU's driver, too.
    """
    driver = f" driver {fingerprint.gpu_driver}" if fingerprint.on_gpu and fingerprint.gpu_driver else ""
    return {
        "board": fingerprint.board,
        "os_release": fingerprint.os_release,
        "engine": fingerprint.engine,
        "engine_version": fingerprint.engine_version + driver,
        "power_mode": fingerprint.power_mode,
        "threads": fingerprint.threads,
    }


@dataclass(frozen=True)
class ProcessRecord:
    """What one process measured of one subject; times in nanoseconds."""

    uid: str
    kind: Kind
    topology: str
    precision: str
    batch_size: int
    fingerprint: Fingerprint
    protocol: Protocol
    seed: int
    recorded_at: str
    """When the process ended, ISO 8601, UTC."""
    rounds_ns: Rounds
    """Samples of each round's visit."""
    anchor_topology: str
    anchor_ns: Rounds
    """Samples of the anchor's visit in the same rounds."""
    load_ns: int
    first_ns: int
    warmup_runs: int
    """Untimed runs of this subject before the rounds."""
    warmup_s: float
    """Seconds of running before the rounds, over all subjects of the process."""
    clock_mhz: tuple[float, float] | None
    """The clock of what computes (the fastest core or the GPU) at the end of warm-up, and its lowest value after a
    visit; None where it cannot be read."""
    others_load: float | None
    """Share of the machine's cores that other processes used during the rounds."""
    compute_ns: Rounds = ()
    """The same runs by the device's own events; empty rounds where the engine has none."""
    conditions: Conditions | None = None
    """Clocks, temperatures, power and memory meanwhile; None in records from before they were read."""
    build: int = 0
    """Which build of the network was measured, where the engine compiles networks on the device."""

    @property
    def samples_ns(self) -> list[int]:
        """All samples of the process."""
        return [sample for samples in self.rounds_ns for sample in samples]

    @property
    def p50_ns(self) -> float:
        """The median of the process."""
        return statistics.percentile(self.samples_ns, 50)

    @property
    def anchor_p50_ns(self) -> float:
        """The median of the anchor in the same rounds."""
        return statistics.percentile([sample for samples in self.anchor_ns for sample in samples], 50)

    @property
    def log_ratio(self) -> float:
        """The logarithm of the latency over the anchor's in the same rounds."""
        return statistics.log_ratio(self.rounds_ns, self.anchor_ns)


@dataclass(frozen=True)
class LatencySummary:
    """Host latency in milliseconds; None where the samples do not support a figure."""

    p50_ms: float
    """The median over processes of each process's median."""
    ci_low_ms: float | None
    """Bounds of the 95% t interval over processes; None for a single process, which knows nothing of the spread."""
    ci_high_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    first_ms: float
    """The first inference after loading, median over processes."""
    samples: int
    rounds: int
    processes: int
    ratio: float
    """Latency over the anchor's of the same rounds: the geometric mean over processes, with its 95% t interval."""
    ratio_low: float | None
    ratio_high: float | None
    outliers: int
    compute_p50_ms: float | None = None
    """The device's own events alone, median over processes; None where the engine has none."""
    build_spread: float | None = None
    """How much slower the slowest of several builds is than the fastest, as a share; None where there is one only."""

    @property
    def width(self) -> float | None:
        """The whole width of the 95% interval, as a share of its lower bound."""
        return self.ci_high_ms / self.ci_low_ms - 1 if self.ci_low_ms and self.ci_high_ms else None

    @property
    def exploring(self) -> bool:
        """Whether this is one process's view: one sample of the machine, whatever the number of runs."""
        return self.processes < 2


@dataclass(frozen=True)
class Measurement:
    """All that is known of one subject's latency, and how far it can be trusted."""

    subject: Subject
    records: tuple[ProcessRecord, ...]
    """One per process; none where the verdict is `failed`."""
    verdict: Verdict
    reason: str = ""
    """Why the verdict is not `ok`, in one clause."""
    stopped: str = ""
    """Why measuring ended: `explored`, `precise`, `plateau`, `processes` (the most allowed), `time`."""
    reused: bool = False
    """Whether all of it came from the store."""

    @cached_property
    def summary(self) -> LatencySummary | None:
        """The figures; None where the measurement failed: a failure is never a number."""
        return summarise(self.records) if self.verdict != "failed" else None

    @property
    def fingerprint(self) -> Fingerprint | None:
        """What the latest process ran on."""
        return self.records[-1].fingerprint if self.records else None


def summarise(records: Sequence[ProcessRecord]) -> LatencySummary:
    """Return the figures of one subject over its processes (at least one)."""
    samples = [sample for record in records for sample in record.samples_ns]
    medians = [record.p50_ns for record in records]
    interval = statistics.median_interval(medians)
    log_ratios = [record.log_ratio for record in records]
    ratio = statistics.t_interval(log_ratios, 0.95)
    p90, p99 = (statistics.supported_percentile(samples, percent) for percent in (90, 99))
    return LatencySummary(
        p50_ms=float(np.median(medians)) / _MS,
        ci_low_ms=interval and interval.low / _MS,
        ci_high_ms=interval and interval.high / _MS,
        p90_ms=p90 and p90 / _MS,
        p99_ms=p99 and p99 / _MS,
        first_ms=float(np.median([record.first_ns for record in records])) / _MS,
        samples=len(samples),
        rounds=sum(len(record.rounds_ns) for record in records),
        processes=len(records),
        ratio=math.exp(float(np.mean(log_ratios))),
        ratio_low=ratio and math.exp(ratio.low),
        ratio_high=ratio and math.exp(ratio.high),
        outliers=sum(statistics.outliers(record.samples_ns) for record in records),
        compute_p50_ms=_compute_p50_ms(records),
        build_spread=_build_spread(records),
    )


def _compute_p50_ms(records: Sequence[ProcessRecord]) -> float | None:
    samples = [[sample for round_ns in record.compute_ns for sample in round_ns] for record in records]
    medians = [statistics.percentile(own, 50) for own in samples if own]
    return float(np.median(medians)) / _MS if len(medians) == len(records) else None


def _build_spread(records: Sequence[ProcessRecord]) -> float | None:
    builds = {record.build for record in records}
    medians = [float(np.median([record.p50_ns for record in records if record.build == build])) for build in builds]
    return max(medians) / min(medians) - 1 if len(builds) > 1 else None


def within_budget(summary: LatencySummary | None, limit_ms: float) -> Literal["yes", "borderline", "no"]:
    """Return whether host latency meets a limit: `yes` only where the upper bound over processes is within it.

    An interval that straddles the limit is `borderline`; so is a single process below it, which has no interval. What
    failed meets nothing.
    """
    if summary is None:
        return "no"
    low = summary.p50_ms if summary.ci_low_ms is None else summary.ci_low_ms
    if low > limit_ms:
        return "no"
    return "yes" if summary.ci_high_ms is not None and summary.ci_high_ms <= limit_ms else "borderline"
