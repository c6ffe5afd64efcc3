"""How far the cost model is off near each budget, on architectures that it has not seen.

It is fitted as in a run, after at most `--seconds` of measuring. Then random architectures within 10% of each budget
are measured as finalists are: in fresh processes in turn, as ratios to the full width of the same rounds. An error is
given as it is, and beyond the reference's own 95% interval over processes, which on a shared host is itself several
percent. So is the order: Spearman's rank correlation with the references beside the one that a model without error
would have, the one with what is nearest to the predictions in the references' intervals ("beyond"), and Goodman and
Kruskal's over the pairs whose order the references decide. Multiply-adds and parameters alone, fitted to the same
networks, stand beside it.

Usage: python -m benchmarks.cost_model --model resnet50 --threads 1 --store FILE [--each 20] [--processes 6]
A run that was stopped goes on from the store. The table is Markdown.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from scipy.stats import spearmanr

from benchmarks.references import Floats, Reference, decided_order, perfect_rank
from benchmarks.untrained import deployment, measured_as_finalists
from devices import Device, connect, load_profile
from harness import environment  # noqa: F401 (before torch runs)
from harness.bank import Architecture
from harness.costs import ComplexityCounter, LinearModel
from harness.deployment import Deployment
from harness.measuring import Store
from harness.profiling import RUNGS, Profile, Profiler, pool
from harness.running import overridden

#: Architectures of a budget have this share of its multiply-adds, at least.
NEAR = 0.9
#: Networks that profiling begins with, as in a run.
FIRST = 32
#: Timed runs of a visit, at most: finalists have up to 30, which takes most of an hour on as many ResNet-50s as these.
#: Five would not do: the first runs after another network's visit are slower, and a median of five was 1% too slow.
SAMPLES = 15
#: Seeds of the unseen architectures, apart from any that profiling uses.
UNSEEN_SEED = 20_260


def profiled(device: Device, exported: Deployment, store: Store, seconds: float, console: Console) -> Profile:
    """Measure and fit as a run does."""
    counter = ComplexityCounter(exported.bank)
    with tempfile.TemporaryDirectory() as folder, Progress(console=console) as progress:
        task = progress.add_task("profiling (seconds)", total=seconds)
        first = {arch: exported.shape(arch, Path(folder)) for arch in pool(exported.bank.space, counter, FIRST, seed=0)}
        profiler = Profiler(
            device,
            exported,
            store,
            seconds=seconds,
            seed=0,
            advance=lambda done, total: progress.update(task, completed=done, total=total),
            notice=console.print,
        )
        return profiler.profile(first)


def unseen(exported: Deployment, each: int, known: Sequence[Architecture]) -> list[tuple[float, Architecture]]:
    """Draw `each` random architectures near every budget, none of which was profiled."""
    space, cost = exported.bank.space, ComplexityCounter(exported.bank).compute_fraction
    rng = np.random.default_rng(UNSEEN_SEED)
    found: list[tuple[float, Architecture]] = []
    for rung in RUNGS:
        own: dict[Architecture, None] = {}
        for _ in range(20 * each):
            arch = space.sample_within(rng, cost, NEAR * rung, rung)
            if arch is not None and arch not in known and len(own) < each:
                own[arch] = None
        found += [(rung, arch) for arch in own]
    return found


def measured(
    device: Device,
    exported: Deployment,
    archs: Sequence[tuple[float, Architecture]],
    store: Store,
    processes: int,
    console: Console,
) -> list[Reference]:
    """Measure architectures over fresh processes."""
    counts = {"processes": processes, "most_processes": processes, "most_samples": SAMPLES}
    found = measured_as_finalists(device, exported, [arch for _, arch in archs], store, console, **counts)
    records = ((rung, arch, found[arch].records) for rung, arch in archs)
    return [Reference(arch, rung, tuple(record.log_ratio for record in own)) for rung, arch, own in records if own]


def percent(value: float) -> str:
    """Write a share."""
    return f"{100 * value:.1f}%"


def row(title: str, references: Sequence[Reference], predicted: Floats, ones: Sequence[Floats]) -> str:
    """Return a line of the table: of a budget, or of all."""
    ratios = np.array([reference.ratio for reference in references])
    errors = np.abs(predicted / ratios - 1)
    nearest = [reference.nearest(p) for reference, p in zip(references, predicted, strict=True)]
    decided = decided_order(predicted, references)
    beyond = np.array([reference.beyond(p) for reference, p in zip(references, predicted, strict=True)])
    cells = [
        title,
        str(len(references)),
        percent(float(np.mean([reference.half_width for reference in references]))),
        f"{percent(errors.mean())}, {percent(float(np.percentile(errors, 99)))}",
        f"{percent(beyond.mean())}, {percent(float(np.percentile(beyond, 99)))}",
        f"{spearmanr(predicted, ratios).statistic:.2f} ({perfect_rank(references):.2f})",
        f"{spearmanr(predicted, nearest).statistic:.2f}",
        f"{decided.agreement:.2f} of {decided.pairs}",
    ]
    for other in ones:
        cells.append(f"{percent(float(np.abs(other / ratios - 1).mean()))}, {spearmanr(other, ratios).statistic:.2f}")
    return f"| {' | '.join(cells)} |"


def main(
    model: Annotated[str, typer.Option(help="Which backbone.")] = "resnet50",
    device: Annotated[str, typer.Option(help="Profile or .toml file.")] = "cpu",
    threads: Annotated[int, typer.Option(help="Threads of the engine.")] = 1,
    seconds: Annotated[float | None, typer.Option(help="Measuring (default: as in a run).")] = None,
    each: Annotated[int, typer.Option(help="Unseen architectures near each budget.")] = 20,
    processes: Annotated[int, typer.Option(help="Fresh processes of the references.")] = 6,
    store: Annotated[Path | None, typer.Option(help="Store of measurements (default: the user's).")] = None,
) -> None:
    """Print the errors by budget, the model's beside those of multiply-adds and of parameters alone."""
    console, kept = Console(stderr=True), Store(store)
    profile = overridden(load_profile(device), None, threads)
    with connect(profile) as connected:
        exported = deployment(model, connected)
        counter = ComplexityCounter(exported.bank)
        start = time.monotonic()
        found = profiled(connected, exported, kept, seconds or (60.0 if model == "resnet8" else 300.0), console)
        took = time.monotonic() - start
        archs = unseen(exported, each, list(found.measured))
        references = measured(connected, exported, archs, kept, processes, console)
        fingerprint = connected.describe()
    seen = [arch for arch, _ in found.observations.networks]
    ratios = [ratio for _, ratio in found.observations.networks]
    figures: list[Callable[[Architecture], int]] = [counter.macs, counter.params]
    by_one = [
        LinearModel.fit(("constant", "rate"), lambda arch, of=figure: (1.0, of(arch) / 1e6), seen, ratios)  # type: ignore[misc]
        for figure in figures
    ]
    wanted = [reference.arch for reference in references]
    predicted = found.model.predict_all_ms(wanted) / found.model.anchor_ms
    ones = [np.array([one.predict(arch) for arch in wanted]) for one in by_one]
    print(f"\n{model}, {fingerprint.engine} {fingerprint.engine_version}, {threads} thread(s), {fingerprint.cpu}\n")
    print(
        f"{len(found.observations.layers)} layers, {len(seen)} networks in {took:.0f} s; {found.model.blocks}; "
        f"held-out error {percent(found.held_out.mean)}, intervals held {percent(found.held_out.coverage or 0.0)}\n"
    )
    print(
        "| budget | n | reference ± | error: mean, 99% | beyond reference | rank (perfect) | beyond | decided pairs "
        "| multiply-adds: mean, rank | parameters |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for rung in RUNGS:
        own = [place for place, reference in enumerate(references) if reference.rung == rung]
        if own:
            title = f"1/{round(1 / rung)}" if rung < 1 else "1"
            print(row(title, [references[i] for i in own], predicted[own], [one[own] for one in ones]))
    print(row("all", references, predicted, ones))


if __name__ == "__main__":
    typer.run(main)
