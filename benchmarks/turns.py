"""The harness and a bare loop alive together on the same cores, taking turns of milliseconds.

A host that is slow for seconds is then slow for both: round by round they can be compared.
"""

import json
import math
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import psutil

from devices import Device
from harness.measuring import MeasurementError, Subject
from harness.measuring.process import Plan, measure_process
from harness.measuring.results import Rounds
from harness.measuring.statistics import REQUIRED_SAMPLES

_BARE_LOOP = Path(__file__).with_name("bare_loop.py")
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
_TURN_S = 0.02  # of the bare loop, about: as long as a round of the harness, its bookkeeping included
_LEAST_RUNS = 40  # of a turn: more than a visit of the harness has
_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Pair:
    """What a fresh harness process and a fresh bare loop measured in turns; nanoseconds, one row per round."""

    harness: Rounds
    """The harness's samples of each round, as the product stores them."""
    bare: Rounds
    """The bare loop's samples of the turn beside that round."""
    waiting_share: tuple[float, float]
    """Processor time over wall time of the harness's agent, and of the bare loop, while the other had its turn."""


def take_turns(device: Device, subject: Subject, anchor: Subject, seed: int, index: int) -> Pair:
    """Measure `subject` as one process of a finalist is measured, and by a bare loop between the rounds.

    Raises `DeviceError` and `MeasurementError` where either side cannot.
    """
    _stay_on_cores(index, device.profile.threads)
    protocol = device.profile.protocol
    wanted = math.ceil(REQUIRED_SAMPLES[99] / (protocol.processes * protocol.rounds))
    plan = Plan("finalist", protocol, (seed, index), time.monotonic() + _PATIENCE_S, wanted)
    with BareLoop(subject.file, device.profile.threads, protocol.warmup_seconds) as loop:
        turns = _Turns(loop, seed, index)
        result = measure_process(device, [subject], anchor, plan, turns)
    if subject.name not in result.records:
        raise MeasurementError(f"the comparison cannot be made: {next(iter(result.failures.values()))}")
    rounds = result.records[subject.name].rounds_ns
    return Pair(rounds, tuple(turns.samples[: len(rounds)]), turns.waiting_share)


class BareLoop:
    """A fresh bare loop in a process of its own, blocked between its turns; a context manager."""

    def __init__(self, model: Path, threads: int, warmup_s: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_BARE_LOOP), str(model), str(threads), str(warmup_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._runs = 0

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def __enter__(self) -> "BareLoop":
        try:
            self._runs = max(_LEAST_RUNS, round(_TURN_S / float(self._answer())))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def turn(self) -> tuple[int, ...]:
        """Let it run for a turn, and wait; return the nanoseconds of every run."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"%d\n" % self._runs)
        self._process.stdin.flush()
        return tuple(json.loads(self._answer()))

    def _answer(self) -> bytes:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _PATIENCE_S)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            raise MeasurementError(f"the bare loop ended, or did not answer within {_PATIENCE_S:g} s")
        return line

    def _end(self) -> None:
        self._process.kill()
        self._process.communicate()


class _Turns:
    """Gives the bare loop its turn beside every round of the harness, which comes first or second at random.

    It is called after every round, while the agent waits for the next one. So the first round always comes first.
    """

    def __init__(self, loop: BareLoop, seed: int, index: int) -> None:
        self.samples: list[tuple[int, ...]] = []
        self._loop = loop
        self._rng = np.random.default_rng((seed, index))
        self._rounds = 0
        self._wall, self._used = np.zeros(2), np.zeros(2)  # of agent and loop, while they wait
        self._last: tuple[float, float] | None = None

    @property
    def waiting_share(self) -> tuple[float, float]:
        agent, loop = self._used / np.maximum(self._wall, 1e-9)
        return float(agent), float(loop)

    def __call__(self) -> None:
        agent = next(child for child in psutil.Process().children() if child.pid != self._loop.pid)
        loop = psutil.Process(self._loop.pid)
        start = (time.monotonic(), _processor_s(agent))
        if self._last is not None:
            self._wall[1] += start[0] - self._last[0]
            self._used[1] += _processor_s(loop) - self._last[1]
        self._rounds += 1
        due = self._rounds + int(self._rng.integers(2))  # with the next round's turn, where that one comes second
        while len(self.samples) < due:
            self.samples.append(self._loop.turn())
        self._wall[0] += time.monotonic() - start[0]
        self._used[0] += _processor_s(agent) - start[1]
        self._last = (time.monotonic(), _processor_s(loop))


def _processor_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _stay_on_cores(index: int, threads: int) -> None:
    """Hold this process, and those it starts, on as many cores as threads: other ones from pair to pair."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {_CORES[(index + other) % len(_CORES)] for other in range(threads)})
