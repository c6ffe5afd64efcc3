"""Does the way to a device change what is measured on it? This machine as itself, against itself over SSH.

A turn is three fresh agents that are alive together on one core and are visited in rotating order, round by round: two
over the local transport and one over a real SSH server on loopback. What slows the machine for seconds slows all three.
The rule: the 90% interval over turns of SSH over local, within rounds, lies within the tolerance of the null test (the
larger of 2% and 3 microseconds). The second local agent is the null test beside it: what it differs by is noise.

Usage: python -m benchmarks.transport_honesty [MODEL.onnx] [--turns 12] [--rounds 40]
Exit status: 1 where the rule is not shown to hold, 2 where nothing could be compared.
"""

import math
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import pytest
import typer

from benchmarks.latency_honesty import small_network
from devices import AgentProcess, Device, DeviceError, LoadedModel, Visit, connect, load_profile
from harness.measuring.statistics import equality_tolerance, log_ratio, median_interval, percentile, t_interval
from tests.sshd import Board, server_program

_SIDES = ("local", "local again", "ssh")
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
_WARM_UP_S = 0.3
_VISIT = (2, 30)  # untimed and timed runs
_TRIPS = 20


@dataclass(frozen=True)
class Turn:
    """What one turn measured, by side."""

    rounds: dict[str, list[tuple[int, ...]]]
    """Nanoseconds of the runs of each round."""
    trip_us: dict[str, float]
    """What a request takes beyond what it runs, median."""

    def p50_ns(self, side: str) -> float:
        """Return the median of a side."""
        return percentile([sample for samples in self.rounds[side] for sample in samples], 50)


def take_turn(devices: dict[str, Device], network: Path, rounds: int) -> Turn:
    """Start a fresh agent per side, warm them up, and visit them in rotating order in every round."""
    with ExitStack() as stack:
        agents = {side: stack.enter_context(device.agent()) for side, device in devices.items()}
        models = {side: devices[side].load(agent, network) for side, agent in agents.items()}
        for side, agent in agents.items():
            _warm_up(agent, models[side])
        found: dict[str, list[tuple[int, ...]]] = {side: [] for side in agents}
        for index in range(rounds):
            start = index % len(_SIDES)
            for side in _SIDES[start:] + _SIDES[:start]:
                visit = Visit(models[side].handle, *_VISIT)
                found[side].append(agents[side].run_round([visit]).samples[0])
        return Turn(found, {side: _trip_us(agent, models[side]) for side, agent in agents.items()})


def _warm_up(agent: AgentProcess, model: LoadedModel) -> None:
    end = time.monotonic() + _WARM_UP_S
    while time.monotonic() < end:
        agent.run_round([Visit(model.handle, 0, 100)])


def _trip_us(agent: AgentProcess, model: LoadedModel) -> float:
    trips = []
    for _ in range(_TRIPS):
        start = time.perf_counter_ns()
        run_ns = agent.run_round([Visit(model.handle, 0, 1)]).samples[0][0]
        trips.append(time.perf_counter_ns() - start - run_ns)
    return percentile(trips, 50) / 1e3


def _hold_on_core(board: Board, index: int) -> None:
    """Keep everything of a turn on one core, another one each time: the cores of a shared host differ."""
    if _CORES:
        core = _CORES[index % len(_CORES)]
        os.sched_setaffinity(0, {core})
        board.hold_on_core(core)


def describe_side(side: str, turns: Sequence[Turn]) -> str:
    """Return a side's medians in words."""
    medians = [turn.p50_ns(side) for turn in turns]
    interval = median_interval(medians)
    assert interval is not None
    trip_us = np.median([turn.trip_us[side] for turn in turns])
    return (
        f"{side:11} host p50 {interval.estimate / 1e3:.2f} us, 95% [{interval.low / 1e3:.2f}, "
        f"{interval.high / 1e3:.2f}] over {len(turns)} processes; a request's round trip {trip_us:.0f} us: "
        + " ".join(f"{median / 1e3:.1f}" for median in medians)
    )


def compare(side: str, turns: Sequence[Turn], tolerance: float) -> tuple[str, bool]:
    """Return how a side compares with the first local one within rounds, in words, and whether they are equal."""
    interval = t_interval([log_ratio(turn.rounds[side], turn.rounds["local"]) for turn in turns], 0.90)
    assert interval is not None
    ratio, low, high = map(math.exp, interval)
    equal = 1 - tolerance <= low and high <= 1 + tolerance
    apart = low > 1 + tolerance or high < 1 - tolerance
    verdict = "equivalent" if equal else "DIFFERENT" if apart else "NOT DECIDED: this machine is too noisy now"
    return f"{side} / local {ratio:.4f}, 90% [{low:.4f}, {high:.4f}], tolerance {tolerance:.1%}: {verdict}", equal


def main(
    model: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="An ONNX file with a fixed input shape.")
    ] = None,
    turns: Annotated[int, typer.Option(min=6, help="Fresh processes of each side.")] = 12,
    rounds: Annotated[int, typer.Option(min=5, help="Rounds of a process.")] = 40,
) -> None:
    """Print both sides, what separates them, and what separates one from itself."""
    with tempfile.TemporaryDirectory() as folder:
        network = model or Path(folder, "small.onnx")
        if model is None:
            onnx.save(small_network(32), network)
        try:
            server_program()
            board = Board(Path(folder, "board"))
            board.start()
            try:
                with connect(load_profile("cpu"), state=Path(folder)) as here, connect(board.profile()) as there:
                    devices = dict(zip(_SIDES, (here, here, there), strict=True))
                    taken = []
                    for index in range(turns):
                        _hold_on_core(board, index)
                        taken.append(take_turn(devices, network, rounds))
            finally:
                board.stop()
        except (DeviceError, pytest.skip.Exception, pytest.fail.Exception) as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error
    tolerance = equality_tolerance(float(np.median([turn.p50_ns("local") for turn in taken])))
    for side in _SIDES:
        print(describe_side(side, taken))
    again, _ = compare("local again", taken, tolerance)
    ssh, equal = compare("ssh", taken, tolerance)
    print(again, ssh, sep="\n")
    raise typer.Exit(0 if equal else 1)


if __name__ == "__main__":
    typer.run(main)
