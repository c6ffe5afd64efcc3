"""The null test: one network under two names must not be found to differ from itself."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from devices import Device
from harness.measuring import statistics
from harness.measuring.process import Plan, StoppedBy, measure_process
from harness.measuring.results import MeasurementError, Subject


@dataclass(frozen=True)
class NullTest:
    """What the null test found."""

    ratios: tuple[float, ...]
    """Latency of the second name over that of the first, one per pair."""
    p50_us: float
    half_width: float
    """Of the 95% interval of the latency itself over the processes, as a share: how noisy the device is."""
    ratio: float
    low: float
    """Bounds of the 90% interval of the ratio over pairs (two one-sided tests at 5%)."""
    high: float
    tolerance: float
    """As a share: the larger of 2% and 3 microseconds."""

    @property
    def equivalent(self) -> bool:
        """Whether the interval lies within the tolerance: whether this device's comparisons can be believed now."""
        return 1 - self.tolerance <= self.low and self.high <= 1 + self.tolerance

    @property
    def false_differences(self) -> float:
        """The share of pairs that by themselves would have shown a difference beyond the tolerance."""
        return sum(abs(ratio - 1) > self.tolerance for ratio in self.ratios) / len(self.ratios)


def null_test(
    device: Device,
    subject: Subject,
    *,
    seed: int = 0,
    pairs: int = 20,
    time_limit_s: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NullTest:
    """Measure a subject against itself in `pairs` fresh processes.

    Raises `MeasurementError` where it cannot be measured or time runs out before all pairs are.
    """
    protocol = device.profile.protocol
    deadline = time.monotonic() + (time_limit_s or protocol.time_limit_s)
    twin = replace(subject, name=subject.name + " (again)")
    log_ratios: list[float] = []
    medians: list[float] = []
    for pair in range(pairs):
        if time.monotonic() > deadline:
            raise MeasurementError(f"time ran out after {pair} of {pairs} pairs of the null test")
        try:
            result = measure_process(device, [twin], subject, Plan("explore", protocol, (seed, pair), deadline))
        except StoppedBy as failure:
            raise MeasurementError(f"the null test cannot be made: {failure}") from failure
        if result.failures:
            raise MeasurementError(f"the null test cannot be made: {next(iter(result.failures.values()))}")
        if result.late:
            raise MeasurementError(f"time ran out after {pair} of {pairs} pairs of the null test")
        log_ratios.append(result.records[twin.name].log_ratio)
        medians.append(result.records[subject.name].p50_ns)
        if progress:
            progress(pair + 1, pairs)
    interval = statistics.t_interval(log_ratios, 0.90)
    spread = statistics.median_interval(medians)
    if interval is None or spread is None:
        raise MeasurementError("the null test needs at least two pairs")
    p50_ns = statistics.percentile(medians, 50)
    return NullTest(
        ratios=tuple(math.exp(value) for value in log_ratios),
        p50_us=p50_ns / 1e3,
        half_width=spread.half_width,
        ratio=math.exp(interval.estimate),
        low=math.exp(interval.low),
        high=math.exp(interval.high),
        tolerance=statistics.equality_tolerance(p50_ns),
    )
