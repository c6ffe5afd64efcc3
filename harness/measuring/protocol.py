"""The protocol of measuring: exploring many subjects in one process, and finalists over fresh processes.

One process at one moment is one sample of a machine: rounds and a bootstrap inside it say nothing of the spread between
processes. So exploring gives a median without an interval, and whatever is decided is decided on finalists, measured in
at least six fresh processes in turn, with a t interval over the processes.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from devices import Device, Protocol
from harness.measuring.results import Measurement, MeasurementError, ProcessRecord, Subject
from harness.measuring.session import Notice, Session, Turn
from harness.measuring.store import Store

Progress = Callable[[int, int], None]

BUILDS = 3
"""Builds of every finalist, where the engine compiles networks: one build's choice of kernels is one sample of it."""


def explore(
    device: Device,
    subjects: Sequence[Subject],
    anchor: Subject,
    *,
    store: Store,
    seed: int = 0,
    protocol: Protocol | None = None,
    time_limit_s: float | None = None,
    progress: Progress | None = None,
    notice: Notice = lambda _: None,
) -> dict[str, Measurement]:
    """Measure all subjects and the anchor in one process (or one per block that fits in memory), by name.

    What the store has is not measured again. `progress` counts rounds; `notice` is told, in a sentence, when the device
    has to cool down. Raises `DeviceError` where the device is lost
    and `MeasurementError` where the anchor cannot be measured; what earlier blocks measured is in the store by then.
    """
    session = Session(device, anchor, store, "explore", protocol, 1, seed, time_limit_s, notice)
    found = {subject.name: session.stored(subject) for subject in _unique(subjects, anchor)}
    reused = {name for name, records in found.items() if records}
    missing = [subject for subject in _unique(subjects, anchor) if subject.name not in reused]
    blocks = session.blocks(missing) if missing else []
    failures: dict[str, str] = {}
    for index, block in enumerate(blocks):
        if session.remaining_s <= 0:
            break
        result = session.measure(block, Turn(index), _RoundTicks(progress, index, len(blocks), session.protocol.rounds))
        failures.update(result.failures)
        found.update({name: [record] for name, record in result.records.items() if not found[name]})
    return {
        subject.name: session.measurement(subject, found[subject.name], failures, "explored", subject.name in reused)
        for subject in _unique(subjects, anchor)
    }


def finalists(
    device: Device,
    subjects: Sequence[Subject],
    anchor: Subject,
    *,
    store: Store,
    seed: int = 0,
    processes: int | None = None,
    protocol: Protocol | None = None,
    time_limit_s: float | None = None,
    progress: Progress | None = None,
    notice: Notice = lambda _: None,
) -> dict[str, Measurement]:
    """Measure all subjects and the anchor over fresh processes in turn, by name.

    Those that fit in memory together share a process; the anchor is in every one. Ends when every subject is known to
    the protocol's half-width, or its noise has reached a plateau, or the most processes are reached, or time is up.
    Where the engine compiles networks, the processes take turns with `BUILDS` builds of them. Processes found in the
    store count; a subject with enough of them is not measured again. `progress` counts processes; `notice` is as for
    `explore`. Raises as `explore` does; every process measured is in the store then.
    """
    protocol = protocol or device.profile.protocol
    least = processes or protocol.processes
    session = Session(device, anchor, store, "finalist", protocol, least, seed, time_limit_s, notice)
    everyone = _unique(subjects, anchor)
    found = {subject.name: session.stored(subject) for subject in everyone}
    reused = {name for name, records in found.items() if len(records) >= least}
    failures: dict[str, str] = {}
    count, longest_s = 0, 0.0
    builds = BUILDS if device.describe_engine().builds else 1
    while count < max(least, protocol.most_processes):
        pending = [s for s in everyone if s.name not in reused and s.name not in failures]
        if not pending or all(session.stopped(found[subject.name]) for subject in pending):
            break
        if session.remaining_s <= longest_s:
            break
        before_s = session.remaining_s
        build = _rarest_build([record for subject in pending for record in found[subject.name]], builds)
        for block in session.blocks(pending):
            result = session.measure(block, Turn(count, build), lambda: None)
            failures.update(result.failures)
            for name, record in result.records.items():
                if name not in reused:
                    found[name].append(record)
        longest_s = max(longest_s, before_s - session.remaining_s)
        count += 1
        if progress:
            progress(count, max(least, count))
    return {
        subject.name: session.measurement(
            subject,
            found[subject.name],
            failures,
            session.stopped(found[subject.name]) or "time",
            subject.name in reused,
        )
        for subject in everyone
    }


def _rarest_build(records: Sequence[ProcessRecord], builds: int) -> int:
    """Return which build has been measured least, so that a resumed call goes on where the last one was."""
    counts = Counter(record.build for record in records)
    return min(range(builds), key=lambda build: counts[build])


def _unique(subjects: Sequence[Subject], anchor: Subject) -> list[Subject]:
    """Return the anchor and the other subjects; raises `MeasurementError` where a name stands for two networks."""
    everyone = {anchor.name: anchor}
    for subject in subjects:
        if everyone.setdefault(subject.name, subject) != subject:
            raise MeasurementError(f"two subjects are called {subject.name!r}")
    return list(everyone.values())


class _RoundTicks:
    """Counts rounds over blocks towards the caller's progress; rounds beyond the least do not add to the total."""

    def __init__(self, progress: Progress | None, block: int, blocks: int, rounds: int) -> None:
        self._progress = progress
        self._done, self._end, self._total = block * rounds, (block + 1) * rounds, blocks * rounds

    def __call__(self) -> None:
        self._done = min(self._done + 1, self._end)
        if self._progress:
            self._progress(self._done, self._total)
