"""How much of the true front a search finds, on a space that is small enough to be enumerated.

Three widths of a bank are free, the others full. All architectures are scored by UPEM, so the front of UPEM against
multiply-adds is known; then every strategy gets a tenth of the evaluations. What it found is worth its hypervolume
(of UPEM and the logarithm of the compute fraction), as a share of the exhaustive front's.

Usage: python -m benchmarks.small_space --run DIR [--seeds 5]
Any run folder will do that holds an adapted bank of the digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from pymoo.indicators.hv import HV
from rich.console import Console

from harness import environment  # noqa: F401 (before torch runs)
from harness.bank import Architecture, load_bank
from harness.costs import ComplexityCounter
from harness.data import load_digits
from harness.search import STRATEGIES, Candidate, Problem, Scorer, evolutionary
from harness.space import Space

#: Free widths, and the grid that makes them few enough.
FREE = ("stage1", "stage2.block1.inner1", "stage3.block1.inner1")
DIVISOR = 4
SHARE = 0.1


def small(space: Space) -> Space:
    """Return the space with the widths of `FREE` on a coarse grid, the others full."""
    free = {index for index, slot in enumerate(space.slots) if slot.name in FREE}
    slots = []
    for index, slot in enumerate(space.slots):
        least = math.ceil(slot.minimum / DIVISOR) * DIVISOR
        coarse = replace(slot, minimum=least, divisor=DIVISOR)
        slots.append(coarse if {index, slot.tied_to} & free else replace(slot, minimum=slot.full))
    return Space(space.model, tuple(slots))


def everything(space: Space) -> list[Architecture]:
    """Return all architectures of a space."""
    choices = [len(space.slots[index].choices) for index in space.free]
    return [space.from_indices(indices) for indices in np.ndindex(*choices)]


def hypervolume(points: Iterable[tuple[float, float]], worst: NDArray[np.float64]) -> float:
    """Return the area that (UPEM, log of the compute fraction) points dominate, up to the worst of both."""
    return float(HV(ref_point=worst)(np.array(list(points))))


def points(candidates: Sequence[Candidate]) -> list[tuple[float, float]]:
    """Return what candidates are worth."""
    return [(candidate.upem, math.log(candidate.cost)) for candidate in candidates]


def main(
    run: Annotated[Path, typer.Option(help="Run folder with an adapted bank of the digits.")],
    images: Annotated[int, typer.Option(help="Target images to score on.")] = 256,
    seeds: Annotated[int, typer.Option(help="Repetitions of every strategy.")] = 5,
) -> None:
    """Print, for every strategy, the share of the true front's hypervolume at a tenth of the evaluations."""
    console = Console(stderr=True)
    bank, _ = load_bank(run / "bank")
    domains, _ = load_digits(0)
    space, cost = small(bank.space), ComplexityCounter(bank).compute_fraction
    scorer = Scorer(bank, domains.calibration[:images])
    archs = everything(space)
    with console.status(f"scoring all {len(archs)} architectures"):
        upems = scorer(archs)
    exact = [(upem, math.log(cost(arch))) for arch, upem in zip(archs, upems, strict=True)]
    worst = np.array(exact).max(axis=0) + 1e-9
    best = hypervolume(exact, worst)
    evaluations = int(SHARE * len(archs))
    limits = tuple(float(limit) for limit in np.geomspace(cost(space.smallest) * 1.01, 1.0, 7))
    print(f"\n{len(archs)} architectures, {evaluations} evaluations, {seeds} seeds\n")
    print("| strategy | hypervolume, mean | worst |\n|---|---|---|")
    for name in ("evolution", "greedy", "random"):
        shares = []
        for seed in range(seeds):
            problem = Problem(space, scorer, cost, limits, evaluations, seed)
            if name == "evolution":  # as in a run, from what greedy found, within the same number of evaluations
                first = STRATEGIES["greedy"](replace(problem, evaluations=evaluations // 4))
                left = replace(problem, evaluations=evaluations - len(first.candidates))
                answers = [answer.arch for answer in first.answers if answer]
                found = [*first.candidates, *evolutionary.search(left, initial=answers).candidates]
            else:
                found = list(STRATEGIES[name](problem).candidates)
            shares.append(hypervolume(points(found), worst) / best)
        print(f"| {name} | {np.mean(shares):.2%} | {min(shares):.2%} |")


if __name__ == "__main__":
    typer.run(main)
