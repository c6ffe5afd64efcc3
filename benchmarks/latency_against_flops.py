"""What choosing by measured latency is worth against choosing by multiply-adds, on a device, at every budget below 1.

Without a trained bank subnets are compared at equal multiply-adds. The FLOPs choice of a budget is what a search
(NSGA-II, as in a run) finds whose constraint is multiply-adds and whose score knows nothing else: as many of them as
the budget allows. It is made on the bank's own channel grid and on multiples of 16, with several seeds. The latency
choice is found by the same search with as many evaluations: of at least the same multiply-adds, the subnet that the
cost model predicts fastest. All are measured as finalists are, in the same fresh processes; a speed-up is the geometric
mean over processes of latency ratios, with its 95% t interval.

Usage: python -m benchmarks.latency_against_flops --model resnet50 --threads 1 --store FILE
With the store of `benchmarks.cost_model` the device is not profiled again. The tables are Markdown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from benchmarks.cost_model import SAMPLES, profiled
from benchmarks.untrained import deployment, measured_as_finalists
from devices import Device, connect, load_profile
from harness import environment  # noqa: F401 (before torch runs)
from harness.bank import Architecture
from harness.costs import ComplexityCounter, CostModel
from harness.deployment import Deployment
from harness.measuring import Measurement, Store
from harness.measuring.statistics import t_interval
from harness.profiling import RUNGS
from harness.running import overridden
from harness.search import Problem, evolutionary
from harness.space import Space

#: What ordinary advice on channel counts says.
ALIGNED = 16
#: Most shares of a budget that a FLOPs choice leaves unused: none on a fine grid, something on a coarse one.
UNUSED = 0.1


@dataclass(frozen=True)
class Choice:
    """What is compared at one budget."""

    rung: float
    by_flops: tuple[Architecture, ...]
    """One for every seed, on the bank's own grid."""
    aligned: tuple[Architecture, ...]
    """The same on multiples of 16; none where such widths do not reach the budget."""
    by_latency: Architecture
    """At least as many multiply-adds as any of those, predicted fastest."""

    @property
    def title(self) -> str:
        """The budget."""
        return f"1/{round(1 / self.rung)}"


def on_multiples(space: Space, divisor: int) -> Space:
    """Return the part of a space whose widths are multiples of `divisor`."""
    slots = (
        replace(
            slot,
            minimum=math.ceil(slot.minimum / divisor) * divisor,
            full=max(slot.full, divisor) // divisor * divisor,
            divisor=divisor,
        )
        for slot in space.slots
    )
    return Space(space.model, tuple(slots))


def most_macs(
    space: Space, counter: ComplexityCounter, rung: float, evaluations: int, seed: int
) -> Architecture | None:
    """Return what a search finds that knows multiply-adds alone: the most of them within a budget."""
    if counter.compute_fraction(space.smallest) > rung:
        return None
    problem = Problem(
        space,
        lambda archs: [-counter.compute_fraction(a) for a in archs],
        counter.compute_fraction,
        (rung,),
        evaluations,
        seed,
    )
    (answer,) = evolutionary.search(problem).answers
    enough = answer is not None and answer.cost >= (1 - UNUSED) * rung
    return answer.arch if answer and enough else None


def fastest(
    space: Space,
    counter: ComplexityCounter,
    model: CostModel,
    least: float,
    evaluations: int,
    known: Sequence[Architecture],
) -> Architecture:
    """Return, of subnets with at least a share of the multiply-adds, the one predicted fastest."""
    problem = Problem(
        space,
        lambda archs: model.predict_all_ms(archs).tolist(),
        lambda arch: 1 / counter.compute_fraction(arch),
        (1 / least,),
        evaluations,
    )
    (answer,) = evolutionary.search(problem, initial=known).answers
    assert answer is not None, "what it starts from is an answer"
    return answer.arch


def choices(exported: Deployment, model: CostModel, evaluations: int, seeds: int) -> list[Choice]:
    """Search every budget both ways, with the same number of evaluations."""
    space, counter = exported.bank.space, ComplexityCounter(exported.bank)
    coarse = on_multiples(space, ALIGNED)
    found = []
    for rung in RUNGS[1:]:
        own, aligned = (
            tuple(arch for seed in range(seeds) if (arch := most_macs(grid, counter, rung, evaluations, seed)))
            for grid in (space, coarse)
        )
        if not own:
            continue
        rivals = (*own, *aligned)
        least = max(counter.compute_fraction(arch) for arch in rivals)
        found.append(Choice(rung, own, aligned, fastest(space, counter, model, least, evaluations, rivals)))
    return found


def measured(
    device: Device, exported: Deployment, archs: Sequence[Architecture], store: Store, processes: int, console: Console
) -> dict[Architecture, Measurement]:
    """Measure all of them in the same fresh processes."""
    samples = SAMPLES.get(exported.bank.spec.model, 2 * device.profile.protocol.least_samples)
    counts = {"processes": processes, "most_processes": processes, "most_samples": samples}
    return measured_as_finalists(
        device, exported, archs, store, console, **counts, block_subjects=1000, block_mb=8192.0
    )


def log_speedups(
    slower: Sequence[Architecture], faster: Architecture, found: dict[Architecture, Measurement]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the logarithm of how much faster a subnet is than others, on the average, process by process."""
    rivals = np.array([[record.log_ratio for record in found[arch].records] for arch in slower])
    own = np.array([record.log_ratio for record in found[faster].records])
    return np.asarray((rivals - own).mean(axis=0), np.float64)


def shown(logs: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    """Write a speed-up with its interval over processes."""
    interval = t_interval(logs.tolist(), 0.95)
    bounds = f" [{math.exp(interval.low):.3f}, {math.exp(interval.high):.3f}]" if interval else ""
    return f"{math.exp(logs.mean()):.3f}{bounds}"


def main(
    model: Annotated[str, typer.Option(help="Which backbone.")] = "resnet50",
    device: Annotated[str, typer.Option(help="Profile or .toml file.")] = "cpu",
    threads: Annotated[int, typer.Option(help="Threads of the engine.")] = 1,
    seconds: Annotated[float | None, typer.Option(help="Profiling (default: as in a run).")] = None,
    evaluations: Annotated[int, typer.Option(help="Of every search.")] = 3000,
    seeds: Annotated[int, typer.Option(help="FLOPs choices for every budget and grid.")] = 3,
    processes: Annotated[int, typer.Option(help="Fresh processes.")] = 8,
    store: Annotated[Path | None, typer.Option(help="Store of measurements (default: the user's).")] = None,
) -> None:
    """Print, for every budget, how much faster the latency choice is than FLOPs choices of as many multiply-adds."""
    console, kept = Console(stderr=True), Store(store)
    with connect(overridden(load_profile(device), None, threads)) as connected:
        exported = deployment(model, connected)
        counter = ComplexityCounter(exported.bank)
        fitted = profiled(connected, exported, kept, seconds or (60.0 if model == "resnet8" else 300.0), console).model
        with console.status("searching"):
            asked = choices(exported, fitted, evaluations, seeds)
        archs = dict.fromkeys(arch for c in asked for arch in (*c.by_flops, *c.aligned, c.by_latency))
        found = measured(connected, exported, list(archs), kept, processes, console)
        fingerprint = connected.describe()
    print(f"\n{model}, {fingerprint.engine} {fingerprint.engine_version}, {threads} thread(s), {fingerprint.cpu}")
    print(f"{evaluations} evaluations a search, {seeds} seeds, {processes} processes\n")
    print("| budget | multiply-adds | latency choice, ms | faster than FLOPs | predicted | than on multiples of 16 |")
    print("|---|---|---|---|---|---|")
    everything: dict[str, list[np.ndarray[tuple[int], np.dtype[np.float64]]]] = {"own": [], "aligned": []}
    for choice in asked:
        summary = found[choice.by_latency].summary
        everything["own"].append(log_speedups(choice.by_flops, choice.by_latency, found))
        aligned = ""
        if choice.aligned:
            everything["aligned"].append(log_speedups(choice.aligned, choice.by_latency, found))
            aligned = shown(everything["aligned"][-1])
        predicted = np.mean(np.log(fitted.predict_all_ms(choice.by_flops))) - math.log(
            fitted.predict_ms(choice.by_latency)
        )
        ms = f"{summary.p50_ms:.3f}" if summary else "failed"
        macs = f"{counter.macs(choice.by_latency) / 1e6:.1f} M"
        own = shown(everything["own"][-1])
        print(f"| {choice.title} | {macs} | {ms} | {own} | {math.exp(predicted):.3f} | {aligned} |")
    means = {name: shown(np.mean(logs, axis=0)) if logs else "" for name, logs in everything.items()}
    print(f"| geometric mean | | | {means['own']} | | {means['aligned']} |")


if __name__ == "__main__":
    typer.run(main)
