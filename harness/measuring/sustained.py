"""Latency after the device's temperature has settled under the load of one subnet."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from devices import AgentProcess, Device, LoadedModel, Protocol, Visit
from harness.measuring.passes import OWN_PROCESS, PassRecord, find_or_make
from harness.measuring.process import untimed_runs, visit_samples
from harness.measuring.results import Rounds, Subject
from harness.measuring.statistics import percentile
from harness.measuring.store import Store

_MOST_REQUEST_S = 1.0  # of running in one request
_LEAST_READINGS = 5  # of a window
_MOST_RUNS = 50_000

Temperature = tuple[float, float]
"""Seconds on the device's clock, and degrees Celsius of its hottest part."""


@dataclass(frozen=True, kw_only=True)
class SustainedRecord(PassRecord):
    """What a pass under lasting load found."""

    kind: ClassVar[str] = "sustained"

    p50_ms: float | None = None
    """Median host latency at the end of the load; None where the temperature cannot be read."""
    settled: bool = False
    """Whether the temperature had settled by then."""
    temperatures_c: tuple[Temperature, ...] = ()
    rounds_ns: Rounds = ()
    """The runs that the median is of."""

    @property
    def figure(self) -> float | None:
        """The latency."""
        return self.p50_ms

    def serves(self, protocol: Protocol) -> bool:
        """Return whether the temperature settled as `protocol` asks, or was given as much time."""
        own = self.protocol
        strict = (
            own.sustained_window_s >= protocol.sustained_window_s
            and own.sustained_slope_c_per_min <= protocol.sustained_slope_c_per_min
        )
        return strict and (self.settled or own.sustained_limit_s >= protocol.sustained_limit_s)


def measure_sustained(
    device: Device,
    subject: Subject,
    *,
    store: Store,
    protocol: Protocol | None = None,
    progress: Callable[[float, float], None] = lambda done_s, most_s: None,
) -> SustainedRecord:
    """Keep a subject running until the temperature has settled or time is up, and measure its latency then.

    Reused where the store has it. `progress` counts seconds towards the limit. Where no temperature can be read, or the
    device fails, there is a record with the reason and no figure.
    """
    protocol = protocol or device.profile.protocol
    return find_or_make(
        SustainedRecord, device, subject, store, protocol, lambda: _measured(device, subject, protocol, progress)
    )


def _measured(
    device: Device, subject: Subject, protocol: Protocol, progress: Callable[[float, float], None]
) -> dict[str, Any]:
    if device.engine in OWN_PROCESS:
        return {"reason": f"{device.engine} is started anew for every visit, and the device cools down in between"}
    with device.agent() as agent:
        if agent.read_telemetry().reading.hottest_c is None:
            return {"reason": "the temperature of the device cannot be read"}
        model = device.load(agent, subject.file, subject.precision)
        temperatures, seconds_per_run = _heat_up(agent, model, protocol, progress)
        untimed = untimed_runs(seconds_per_run, protocol, _MOST_RUNS)
        visit = Visit(model.handle, untimed, visit_samples(seconds_per_run, protocol, 0))
        expected_s = (visit.untimed + visit.timed) * seconds_per_run
        rounds = [agent.run_round([visit], expected_s=expected_s).samples[0] for _ in range(protocol.rounds)]
    samples = [sample for round_ns in rounds for sample in round_ns]
    if min(samples) <= 0:
        return {"reason": "the engine reported a run that took no time"}
    steady = settled(temperatures, protocol)
    reason = "" if steady else f"the temperature had not settled after {protocol.sustained_limit_s:g} s"
    return {
        "p50_ms": percentile(samples, 50) / 1e6,
        "settled": steady,
        "temperatures_c": tuple(temperatures),
        "rounds_ns": tuple(rounds),
        "reason": reason,
    }


def _heat_up(
    agent: AgentProcess, model: LoadedModel, protocol: Protocol, progress: Callable[[float, float], None]
) -> tuple[list[Temperature], float]:
    """Run until the temperature has settled, or for as long as the protocol allows; return it, and a run's seconds."""
    temperatures: list[Temperature] = []
    seconds_per_run = max(model.first_ns / 1e9, 1e-6)
    request_s = min(_MOST_REQUEST_S, protocol.sustained_window_s / (2 * _LEAST_READINGS))
    start = time.monotonic()
    while (spent_s := time.monotonic() - start) < protocol.sustained_limit_s:
        progress(spent_s, protocol.sustained_limit_s)
        runs = max(1, min(_MOST_RUNS, int(request_s / seconds_per_run)))
        result = agent.run_round(
            [Visit(model.handle, 0, runs)], expected_s=runs * seconds_per_run, end_with_reading=True
        )
        seconds_per_run = max(percentile(result.samples[0], 50) / 1e9, 1e-6)
        last = result.readings[-1]
        if last.hottest_c is not None:
            temperatures.append((last.at_s, last.hottest_c))
        if settled(temperatures, protocol):
            break
    return temperatures, seconds_per_run


def settled(temperatures: Sequence[Temperature], protocol: Protocol) -> bool:
    """Return whether the least-squares slope over the last window is below the protocol's, either way.

    The window must have been lived through: before that, nothing has settled.
    """
    if not temperatures or temperatures[-1][0] - temperatures[0][0] < protocol.sustained_window_s:
        return False
    window = [pair for pair in temperatures if pair[0] >= temperatures[-1][0] - protocol.sustained_window_s]
    if len(window) < _LEAST_READINGS:
        return False
    seconds, degrees = np.asarray(window).T
    slope = np.polynomial.Polynomial.fit(seconds, degrees, 1).convert().coef[1]
    return bool(abs(60 * slope) < protocol.sustained_slope_c_per_min)
