"""One call of the protocol: its passes, blocks that fit into memory, what the store has already, and verdicts."""

import math
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from devices import Device, Fingerprint, Protocol
from harness.measuring import statistics
from harness.measuring.lost_line import with_one_reconnection
from harness.measuring.process import HungLoading, OutOfTime, Pass, Plan, StoppedBy, measure_process
from harness.measuring.results import Kind, Measurement, MeasurementError, ProcessRecord, Subject, Verdict
from harness.measuring.store import Store
from harness.measuring.throttling import cool_down, throttled

Notice = Callable[[str], None]

BLOCK_SHARE = 0.25
"""Of a board's memory, for the files of networks held in memory together: their runtime holds more than the files."""


class Turn(NamedTuple):
    """Which pass of a call it is."""

    number: int
    build: int = 0


class Session:
    """One call: what stays the same from process to process."""

    def __init__(
        self,
        device: Device,
        anchor: Subject,
        store: Store,
        kind: Kind,
        protocol: Protocol | None,
        processes: int,
        seed: int,
        time_limit_s: float | None,
        notice: Notice,
    ) -> None:
        self.protocol = protocol or device.profile.protocol
        self._least = processes
        self._most = 1 if kind == "explore" else max(processes, self.protocol.most_processes)
        self._deadline = time.monotonic() + (time_limit_s or self.protocol.time_limit_s)
        self._device = device
        self._anchor = anchor
        self._store = store
        self._kind: Kind = kind
        self._seed = seed
        self._fingerprint: Fingerprint = device.describe()
        self._limit_c = device.profile.temperature_limit_c
        self._retries = self.protocol.throttle_retries
        self._notice = notice
        self._late: dict[str, str] = {}

    def blocks(self, subjects: Sequence[Subject]) -> list[list[Subject]]:
        """Cut subjects into what the device holds at a time, beside the anchor; one block at least."""
        memory_mb = self._device.profile.memory_mb
        most_mb = min(self.protocol.block_mb, memory_mb * BLOCK_SHARE if memory_mb else math.inf)
        others = [subject for subject in subjects if subject != self._anchor]
        return list(_blocks(others, self.protocol.block_subjects, most_mb)) or [[]]

    @property
    def remaining_s(self) -> float:
        """Seconds left for measuring; those that the device needed to cool down are not taken off."""
        return self._deadline - time.monotonic()

    def stored(self, subject: Subject) -> list[ProcessRecord]:
        """Return the latest processes in the store that were measured against this anchor, as thoroughly as now.

        One that was throttled is left out, and so is what an earlier command found too noisy: by now the device may be
        cool, or quiet.
        """
        records = [
            record
            for record in self._store.find(self._fingerprint, subject, self._kind)
            if record.anchor_topology == self._anchor.topology
            and _as_thorough(record, self.protocol)
            and not throttled(record, self.protocol, self._limit_c)
        ]
        dated = [record for record in records if self._store.dated(record)][-self._most :]
        if len(dated) >= self._least and self._judge(dated)[0] == "noisy":
            records = [record for record in records if not self._store.dated(record)]
        return records[-self._most :]

    def measure(self, subjects: Sequence[Subject], turn: Turn, tick: Callable[[], None]) -> Pass:
        """Make one pass and put it into the store; one in which the line to the device breaks is made once more."""
        return with_one_reconnection(self._device, lambda: self._measure(subjects, turn, tick))

    def _measure(self, subjects: Sequence[Subject], turn: Turn, tick: Callable[[], None]) -> Pass:
        """Make one pass and put it into the store; a subject that ends it twice, or by hanging, is left out.

        Ends because every attempt that does not return adds a stop, and every subject can stop it at most twice.
        """
        stops: Counter[str] = Counter()
        failures: dict[str, str] = {}
        while True:
            remaining = [subject for subject in subjects if subject.name not in failures]
            try:
                result = self._measure_cool(remaining, turn, tick)
            except OutOfTime as stop:
                result = Pass(late={stop.name: str(stop)})
            except StoppedBy as stop:
                stops[stop.name] += 1
                if stops[stop.name] > 1 or isinstance(stop, HungLoading):
                    failures[stop.name] = str(stop)
                if self._anchor.name not in failures:
                    continue
                result = Pass()
            result.failures.update(failures)
            self._late.update(result.late)
            if self._anchor.name in result.failures:
                raise MeasurementError(f"the anchor cannot be measured: {result.failures[self._anchor.name]}")
            self._store.add(list(result.records.values()))
            return result

    def _measure_cool(self, subjects: Sequence[Subject], turn: Turn, tick: Callable[[], None]) -> Pass:
        """Make one pass; one in which the device throttles is made again when it has cooled down, while retries last.

        The time limit is put off by the wait, which the protocol bounds.
        """
        while True:
            result = measure_process(self._device, subjects, self._anchor, self._plan(turn), tick)
            records = list(result.records.values())
            reasons = [reason for record in records if (reason := throttled(record, self.protocol, self._limit_c))]
            if not reasons or self._retries <= 0 or self.remaining_s <= 0:
                return result
            self._retries -= 1
            self._notice(f"{self._device.profile.name} throttled ({reasons[0]}); it is left to cool down and run again")
            heats = [record.conditions.hottest_c for record in records if record.conditions]
            hot_c = max((heat.highest for heat in heats if heat), default=None)
            self._deadline += cool_down(self._device, hot_c, self.protocol.cool_down_s)

    def _plan(self, turn: Turn) -> Plan:
        wanted, time_s = 0, math.inf
        if self._kind == "finalist":
            wanted = math.ceil(statistics.REQUIRED_SAMPLES[99] / (self._least * self.protocol.rounds))
            time_s = self.remaining_s / max(1, self._least - turn.number)
        seed = (self._seed, zlib.crc32(self._kind.encode()), turn.number)
        return Plan(self._kind, self.protocol, seed, self._deadline, wanted, time_s, turn.build)

    def stopped(self, records: Sequence[ProcessRecord]) -> str:
        """Return why no further process is needed, or nothing where one is."""
        if len(records) < self._least:
            return ""
        medians = [record.p50_ns for record in records]
        interval = statistics.median_interval(medians)
        if interval and interval.half_width <= self.protocol.half_width:
            return "precise"
        if statistics.settled(medians):
            return "plateau"
        return "processes" if len(records) >= self._most else ""

    def measurement(
        self,
        subject: Subject,
        records: Sequence[ProcessRecord],
        failures: dict[str, str],
        stopped: str,
        reused: bool,
    ) -> Measurement:
        """Return the measurement of a subject, with its verdict."""
        if subject.name in failures or not records:
            late = self._late.get(subject.name, "time ran out before it was measured")
            reason = failures.get(subject.name, late)
            return Measurement(subject, (), "failed", reason)
        verdict, reason = self._judge(records)
        return Measurement(subject, tuple(records), verdict, reason, stopped, reused)

    def _judge(self, records: Sequence[ProcessRecord]) -> tuple[Verdict, str]:
        """Return the verdict on measured records, and its reason."""
        for record in records:
            if reason := throttled(record, self.protocol, self._limit_c):
                return "throttled", reason
        rounds = min(len(record.rounds_ns) for record in records)
        if rounds < self.protocol.rounds:
            return "noisy", f"time ran out after {rounds} of {self.protocol.rounds} rounds"
        if len(records) < self._least:
            return "noisy", f"time ran out after {len(records)} of {self._least} processes"
        interval = statistics.median_interval([record.p50_ns for record in records])
        if interval and self._wide(interval):
            loads = [record.others_load for record in records if record.others_load is not None]
            others = f"; other programs used up to {max(loads):.0%} of the machine" if loads else ""
            return "noisy", f"its 95% interval over processes is +-{interval.half_width:.0%}{others}"
        return "ok", ""

    def _wide(self, interval: statistics.Interval) -> bool:
        tolerated = max(self.protocol.noisy_above, statistics.equality_tolerance(interval.estimate))
        return interval.half_width > tolerated


def _as_thorough(record: ProcessRecord, protocol: Protocol) -> bool:
    return (
        len(record.rounds_ns) >= protocol.rounds
        and record.warmup_s >= protocol.warmup_seconds
        and record.warmup_runs >= protocol.warmup_runs
        and min(map(len, record.rounds_ns)) >= protocol.least_samples
        and record.protocol.visit_settle_ms >= protocol.visit_settle_ms
        and record.protocol.visit_untimed >= protocol.visit_untimed
    )


def _blocks(subjects: Sequence[Subject], most: int, most_mb: float) -> Iterator[list[Subject]]:
    """Cut `subjects` into blocks of at most `most`, with files of `most_mb` together; every block has at least one."""
    block: list[Subject] = []
    size_mb = 0.0
    for subject in subjects:
        file_mb = _size_mb(subject.file)
        if block and (len(block) >= most or size_mb + file_mb > most_mb):
            yield block
            block, size_mb = [], 0.0
        block.append(subject)
        size_mb += file_mb
    if block:
        yield block


def _size_mb(path: Path) -> float:
    try:
        return path.stat().st_size / 1e6
    except OSError as error:
        raise MeasurementError(f"the network {path} cannot be read: {error.strerror}") from error
