"""What successive halving changes in a search of the same number of evaluations: the answers' UPEM, and the time.

With and without take turns, seed by seed, each with a scorer that has seen nothing; on an adapted bank and its digits.

Usage: python -m benchmarks.halving --bank runs/NAME/bank [--images 512] [--evaluations 400] [--seeds 5] [--threads 1]
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from harness import environment  # noqa: F401 (before torch runs)
from harness.bank import load_bank
from harness.costs import ComplexityCounter
from harness.data import load_digits
from harness.search import STRATEGIES, ChosenBy, Halving, Problem, Scorer

SEARCHES: tuple[ChosenBy, ...] = ("random", "evolution")
LIMITS = tuple(2.0**-i for i in range(1, 7))
#: Every so many-th image for the first look; 0 for none.
EVERY = (0, 4, 8)


def main(
    bank: Annotated[Path, typer.Option(help="Folder of an adapted bank of the embedded digits.")],
    images: Annotated[int, typer.Option(help="Images to score on.")] = 512,
    evaluations: Annotated[int, typer.Option(help="Evaluations of every search.")] = 400,
    seeds: Annotated[int, typer.Option(help="Searches of each kind.", min=1)] = 5,
    threads: Annotated[int, typer.Option(help="Threads of PyTorch.", min=1)] = 1,
) -> None:
    """Print seconds, and by how much the answers' UPEM differs from the same search without, averaged over limits."""
    torch.set_num_threads(threads)
    model, _ = load_bank(bank)
    pixels = load_digits(0)[0].calibration[:images]
    cost = ComplexityCounter(model).compute_fraction

    def searched(name: ChosenBy, every: int, seed: int) -> tuple[float, int, NDArray[np.float64]]:
        start = time.perf_counter()
        scorer = Scorer(model, pixels)
        halving = Halving(scorer.on_part(every), 1 / every) if every else None
        found = STRATEGIES[name](Problem(model.space, scorer, cost, LIMITS, evaluations, seed, halving))
        upem = [np.inf if answer is None else answer.upem for answer in found.answers]
        return time.perf_counter() - start, len(found.candidates), np.log(upem)

    table = Table(
        "search",
        "first look at",
        "seconds",
        "scored on all",
        "mean UPEM",
        "UPEM against without",
        title=f"{model.spec.model}, {images} images, {evaluations} evaluations, {seeds} seeds, {threads} thread(s)",
    )
    for name in SEARCHES:
        turns = [{every: searched(name, every, seed) for every in EVERY} for seed in range(seeds)]
        taken = {every: [turn[every] for turn in turns] for every in EVERY}
        for every, results in taken.items():
            changes = [(one[2] - other[2]).mean() for one, other in zip(results, taken[0], strict=True)]
            spread = np.std(changes, ddof=1) / np.sqrt(seeds) if seeds > 1 else np.nan
            table.add_row(
                name,
                f"1/{every}" if every else "-",
                f"{np.median([seconds for seconds, _, _ in results]):.2f}",
                f"{np.mean([count for _, count, _ in results]):.0f}",
                f"{np.exp(np.mean([upem for _, _, upem in results])):.4f}",
                f"{100 * np.expm1(np.mean(changes)):+.1f}% ± {100 * spread:.1f}%" if every else "",
            )
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
