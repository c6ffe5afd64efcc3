"""One pass: a fresh process that loads all subjects of a block, warms up, and visits them in interleaved rounds."""

import math
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import chain

import numpy as np

from devices import (
    AgentLost,
    AgentProcess,
    AgentSilent,
    ConnectionLost,
    Device,
    EngineFailed,
    EngineTimedOut,
    LoadedModel,
    Protocol,
    Reading,
    Visit,
)
from devices.replies import RoundSamples
from harness.measuring.conditions import conditions_of
from harness.measuring.results import Kind, ProcessRecord, Subject
from harness.measuring.statistics import percentile

_WARMUP_ROUNDS = 12  # requests that the seconds of warm-up are spread over
_FASTEST_RUN_S = 1e-6  # no run is taken to be shorter, so that an engine that reports zero cannot ask for endless runs
_MOST_RUNS = 50_000  # of one request, safely below what the agent accepts


@dataclass(frozen=True)
class Plan:
    """How to make one pass."""

    kind: Kind
    protocol: Protocol
    seed: tuple[int, ...]
    """Seeds the order of visits; differs from pass to pass."""
    deadline: float
    """On `time.monotonic`: no network is loaded after it, nor a round started, but for the first."""
    wanted_samples: int = 0
    """Samples of a visit to aim for, beyond what the protocol asks, where `time_s` allows."""
    time_s: float = float("inf")
    build: int = 0
    """Which build of the networks to measure, where the engine compiles them."""


@dataclass
class Pass:
    """What a pass brought, by subject name: a record, or the reason why there is none."""

    records: dict[str, ProcessRecord] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    late: dict[str, str] = field(default_factory=dict)
    """Those that time ran out for before they were loaded: nothing is wrong with them."""


class StoppedBy(Exception):
    """The subject of this name ended the pass."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


class KilledByLoading(StoppedBy):
    """The agent died while it loaded the subject."""


class HungLoading(StoppedBy):
    """The subject was not loaded within the time that loading may take; trying again would take as long."""


class OutOfTime(StoppedBy):
    """The time for measuring ended while the subject was loaded."""


class FailedRunning(StoppedBy):
    """The engine could not run the subject, which it had loaded."""


def measure_process(
    device: Device,
    subjects: Sequence[Subject],
    anchor: Subject,
    plan: Plan,
    tick: Callable[[], None] = lambda: None,
) -> Pass:
    """Measure `subjects` and the anchor (in every round) in one fresh process; `tick` is called after every round.

    Warm-up is the fixed rule of at least `warmup_runs` runs of every subject *and* at least `warmup_seconds` of
    running. The seconds are for what the process and the machine share - clocks, caches, allocator - so they are
    counted over all subjects together; what a neighbour's visit undoes is put right by the untimed runs at the start
    of each visit.

    A subject that the engine cannot load, or that answers with anything but finite numbers, becomes a failure; where
    time runs out while networks are loaded, the others are late. Raises `StoppedBy`, and `DeviceError` where the agent
    is lost at any other time.
    """
    everyone = [anchor, *(subject for subject in subjects if subject.name != anchor.name)]
    result = Pass()
    with device.agent() as agent:
        models: dict[str, LoadedModel] = {}
        for subject in everyone:
            model = _load(device, agent, subject, plan, result)
            if model is not None:
                models[subject.name] = model
        if anchor.name not in models:
            return result
        measured = [subject for subject in everyone if subject.name in models]
        loaded = [models[subject.name] for subject in measured]
        try:
            warm_up = _warm_up(agent, loaded, plan.protocol)
            rounds = _rounds(agent, loaded, warm_up.seconds_per_run, plan, tick)
        except EngineFailed as error:
            failing = [subject.name for subject in measured if models[subject.name].handle == error.handle]
            if not failing:
                raise
            raise FailedRunning(failing[0], f"the engine failed: {error}") from error
    samples, compute = (
        {
            subject.name: tuple(getattr(round_, scope)[index] for round_ in rounds.results)
            for index, subject in enumerate(measured)
        }
        for scope in ("samples", "compute")
    )
    for subject in measured:
        visits = samples[subject.name] + compute[subject.name]
        if min(models[subject.name].first_ns, *chain.from_iterable(visits)) <= 0:
            result.failures[subject.name] = "the engine reported a run that took no time"
    for subject in measured:
        if subject.name in result.failures or anchor.name in result.failures:
            continue
        result.records[subject.name] = ProcessRecord(
            uid=uuid.uuid4().hex,
            kind=plan.kind,
            topology=subject.topology,
            precision=subject.precision,
            batch_size=subject.batch_size,
            fingerprint=device.describe(),
            protocol=plan.protocol,
            seed=plan.seed[0],
            recorded_at=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            rounds_ns=samples[subject.name],
            compute_ns=compute[subject.name],
            anchor_topology=anchor.topology,
            anchor_ns=samples[anchor.name],
            load_ns=models[subject.name].load_ns,
            first_ns=models[subject.name].first_ns,
            warmup_runs=warm_up.runs,
            warmup_s=warm_up.seconds,
            clock_mhz=_clock_mhz(warm_up.reading, rounds.readings, device.describe().on_gpu),
            others_load=rounds.others_load(device.describe().logical_cores),
            conditions=conditions_of([*warm_up.reading, *rounds.readings]),
            build=plan.build,
        )
    return result


def _load(device: Device, agent: AgentProcess, subject: Subject, plan: Plan, result: Pass) -> LoadedModel | None:
    left_s = plan.deadline - time.monotonic()
    if left_s <= 0:
        result.late[subject.name] = "time ran out before it was loaded"
        return None
    cut_short = left_s < device.profile.timeouts.load_s
    unfinished = f"time ran out after {left_s:.3g} s of loading it"
    try:
        model = device.load(agent, subject.file, subject.precision, plan.build, left_s)
    except EngineFailed as error:
        if cut_short and isinstance(error, EngineTimedOut):
            result.late[subject.name] = unfinished
            return None
        result.failures[subject.name] = f"the engine failed: {error}"
        return None
    except ConnectionLost:
        raise
    except AgentSilent as error:
        if cut_short:
            raise OutOfTime(subject.name, unfinished) from error
        raise HungLoading(subject.name, str(error)) from error
    except AgentLost as error:
        raise KilledByLoading(subject.name, str(error)) from error
    if not model.finite:
        result.failures[subject.name] = "the engine answered with numbers that are not finite"
        agent.unload(model)
        return None
    return model


@dataclass(frozen=True)
class _WarmUp:
    runs: int
    seconds: float
    seconds_per_run: list[float]
    reading: list[Reading]
    """The last one: nothing where none was due."""


def _warm_up(agent: AgentProcess, models: Sequence[LoadedModel], protocol: Protocol) -> _WarmUp:
    runs, seconds, timed = 0, 0.0, protocol.warmup_runs
    estimates = [model.first_ns / 1e9 for model in models]
    readings: list[Reading] = []
    for _ in range(10 * _WARMUP_ROUNDS):
        if runs >= protocol.warmup_runs and seconds >= protocol.warmup_seconds:
            break
        visits = [Visit(model.handle, 0, timed) for model in models]
        result = agent.run_round(visits, expected_s=sum(estimates) * timed)
        runs += timed
        seconds += sum(map(sum, result.samples)) / 1e9
        readings += result.readings
        estimates = [max(percentile(samples, 50) / 1e9, _FASTEST_RUN_S) for samples in result.samples]
        timed = int(protocol.warmup_seconds / _WARMUP_ROUNDS / sum(estimates))
        timed = max(1, min(timed, _MOST_RUNS // len(models)))
    return _WarmUp(runs, seconds, estimates, readings[-1:])


@dataclass(frozen=True)
class _Rounds:
    results: list[RoundSamples]

    @property
    def readings(self) -> list[Reading]:
        return [reading for result in self.results for reading in result.readings]

    def others_load(self, cores: int) -> float | None:
        return self.results[0].before.others_load(self.results[-1].after, cores)


def _clock_mhz(start: Sequence[Reading], rounds: Sequence[Reading], on_gpu: bool) -> tuple[float, float] | None:
    """Return the clock of what computes at the end of warm-up, and its lowest value since."""
    at_start, since = (
        [clock for reading in readings if (clock := reading.gpu_mhz if on_gpu else reading.cpu_mhz) is not None]
        for readings in (start, rounds)
    )
    return (at_start[0], min(since)) if at_start and since else None


def _rounds(
    agent: AgentProcess,
    models: Sequence[LoadedModel],
    seconds_per_run: Sequence[float],
    plan: Plan,
    tick: Callable[[], None],
) -> _Rounds:
    """Run the rounds; the models of a visit come back in the order of `models`, whatever order they were visited in."""
    protocol = plan.protocol
    timed = [visit_samples(seconds, protocol, 0) for seconds in seconds_per_run]
    wanted = [visit_samples(seconds, protocol, plan.wanted_samples) for seconds in seconds_per_run]
    if protocol.rounds * _seconds(wanted, seconds_per_run) <= plan.time_s:
        timed = wanted
    round_s = _seconds(timed, seconds_per_run)
    untimed = [untimed_runs(seconds, protocol, _MOST_RUNS // len(models)) for seconds in seconds_per_run]
    expected_s = round_s + _seconds(untimed, seconds_per_run)
    count = max(protocol.rounds, min(protocol.most_rounds, round(protocol.process_seconds / round_s)))
    rng = np.random.default_rng(plan.seed)
    results: list[RoundSamples] = []
    for number in range(1, count + 1):
        if results and time.monotonic() > plan.deadline:
            break
        order = [int(index) for index in rng.permutation(len(models))]
        visits = [Visit(models[index].handle, untimed[index], timed[index]) for index in order]
        result = agent.run_round(visits, expected_s=expected_s, end_with_reading=number == count)
        places = [order.index(index) for index in range(len(models))]
        unshuffled = {
            "samples": tuple(result.samples[place] for place in places),
            "compute": tuple(result.compute[place] for place in places),
        }
        results.append(result.model_copy(update=unshuffled))
        tick()
    return _Rounds(results)


def running_s(record: ProcessRecord) -> float:
    """Return about how many seconds a subject ran in its process, loading and untimed runs included, warm-up apart."""
    each_s = record.p50_ns / 1e9
    untimed = len(record.rounds_ns) * untimed_runs(each_s, record.protocol, _MOST_RUNS) * each_s
    return (record.load_ns + record.first_ns + sum(record.samples_ns)) / 1e9 + untimed


def visit_samples(seconds_per_run: float, protocol: Protocol, wanted: int) -> int:
    """Return how many timed runs a visit has."""
    affordable = round(protocol.visit_ms / 1e3 / seconds_per_run)
    return min(protocol.most_samples, max(protocol.least_samples, affordable, wanted))


def untimed_runs(seconds_per_run: float, protocol: Protocol, most: int) -> int:
    """Return how many runs a visit begins with."""
    settling = math.ceil(protocol.visit_settle_ms / 1e3 / seconds_per_run)
    return min(most, max(protocol.visit_untimed, settling))


def _seconds(samples: Sequence[int], seconds_per_run: Sequence[float]) -> float:
    return sum(count * seconds for count, seconds in zip(samples, seconds_per_run, strict=True))
