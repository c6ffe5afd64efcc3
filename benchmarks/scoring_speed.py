"""Candidates per second of `Scorer`, against the naive way: cut, re-estimate in one pass, predict in another.

Three streams of candidates: greedy's drops, an evolution's generations, random ones. Both ways take turns, chunk by
chunk, on the same candidates; ours keeps its memory from chunk to chunk as in a search. The naive way of a chunk is
timed on a few of its candidates, and those answers are compared.

Usage: python -m benchmarks.scoring_speed [--model resnet8] [--size 16] [--images 512] [--candidates 400] [--threads 1]
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr
from torch import Tensor

from harness import environment  # noqa: F401 (before torch runs)
from harness.bank import ModelBank, create_bank
from harness.costs import ComplexityCounter
from harness.data import load_digits
from harness.search import STRATEGIES, ChosenBy, Problem, Scorer, Strategy
from harness.search.upem import discrepancy
from harness.space import Architecture

SEARCHES: tuple[ChosenBy, ...] = ("greedy", "evolution", "random")
LIMITS = tuple(2.0**-i for i in range(7))
#: Candidates of a chunk that the naive way is timed on.
SAMPLED = 4
RESAMPLES = 2000


@dataclass
class Taken:
    """Seconds per candidate of both ways and their answers, chunk by chunk."""

    naive_s: list[float] = field(default_factory=list)
    ours_s: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    answers: list[tuple[float, float]] = field(default_factory=list)

    def ratio(self, chunks: Sequence[int]) -> float:
        """Return naive time over ours for all candidates of some chunks."""
        naive = sum(self.naive_s[i] * self.sizes[i] for i in chunks)
        return naive / sum(self.ours_s[i] * self.sizes[i] for i in chunks)

    def interval(self) -> tuple[float, float]:
        """Return the bootstrap's 95% interval of the ratio over chunks."""
        rng = np.random.default_rng(0)
        count = len(self.sizes)
        low, high = np.quantile(
            [self.ratio(rng.integers(0, count, count).tolist()) for _ in range(RESAMPLES)], (0.025, 0.975)
        )
        return float(low), float(high)


class Naive:
    """One candidate after the other, in two passes over a cut subnet."""

    def __init__(self, bank: ModelBank, images: Tensor) -> None:
        self._bank = bank
        self._images = images
        self._anchor = self._predictions(bank.space.full)

    def __call__(self, arch: Architecture) -> float:
        """Return the UPEM of one architecture."""
        return discrepancy(self._predictions(arch), self._anchor)

    @torch.no_grad()
    def _predictions(self, arch: Architecture) -> Tensor:
        subnet = self._bank.cut(arch, self._bank.reestimate(self._images, arch))
        predictions: Tensor = subnet(self._images).softmax(dim=1)
        return predictions


def take_turns(naive: Naive, scorer: Scorer, chunks: Iterator[list[Architecture]]) -> Taken:
    """Time both ways on every chunk; the naive one on `SAMPLED` of it, picked at random."""
    rng = np.random.default_rng(0)
    taken = Taken()
    for chunk in chunks:
        sampled = sorted(rng.choice(len(chunk), min(SAMPLED, len(chunk)), replace=False))
        start = time.perf_counter()
        expected = [naive(chunk[i]) for i in sampled]
        between = time.perf_counter()
        found = scorer(chunk)
        end = time.perf_counter()
        taken.naive_s.append((between - start) / len(sampled))
        taken.ours_s.append((end - between) / len(chunk))
        taken.sizes.append(len(chunk))
        taken.answers += zip(expected, (found[i] for i in sampled), strict=True)
    return taken


def recorded(search: Strategy, problem: Problem) -> list[list[Architecture]]:
    """Return the chunks of new candidates that a search asks a scorer for, in its order."""
    chunks: list[list[Architecture]] = []

    def score(archs: Sequence[Architecture]) -> list[float]:
        chunks.append(list(archs))
        return problem.score(archs)

    search(Problem(problem.space, score, problem.cost, problem.limits, problem.evaluations, problem.seed))
    return chunks


def bank_and_images(model: str, size: int, images: int) -> tuple[ModelBank, Tensor]:
    """Return an untrained bank, its heads made less flat than fresh ones; digits where they fit, else noise."""
    if size == 16:
        domains, _ = load_digits(0)
        pixels = domains.calibration[:images]
    else:
        pixels = torch.randn(images, 3, size, size, generator=torch.Generator().manual_seed(0))
    shape = (int(pixels.shape[1]), size, size)
    bank = create_bank(model, [f"class {i}" for i in range(10)], shape)
    with torch.no_grad():
        for parameter in bank.heads.parameters():
            parameter.mul_(8)
    return bank, pixels


def main(
    model: Annotated[str, typer.Option(help="Which bank.")] = "resnet8",
    size: Annotated[int, typer.Option(help="Image height and width.")] = 16,
    images: Annotated[int, typer.Option(help="Images to score on.")] = 512,
    candidates: Annotated[int, typer.Option(help="Evaluations of every search.", min=32)] = 400,
    threads: Annotated[int, typer.Option(help="Threads of PyTorch.", min=1)] = 1,
) -> None:
    """Print milliseconds per candidate both ways, their ratio, and how far the answers are apart."""
    torch.set_num_threads(threads)
    bank, pixels = bank_and_images(model, size, images)
    cost = ComplexityCounter(bank).compute_fraction
    naive = Naive(bank, pixels)
    few = Scorer(bank, pixels[: max(8, images // 8)])
    problem = Problem(bank.space, few, cost, LIMITS, candidates)
    table = Table(
        "search",
        "candidates",
        "naive ms",
        "ours ms",
        "ratio",
        "95% interval",
        "largest difference",
        "Spearman",
        title=f"Scoring {model} subnets at {size} px on {len(pixels)} images, {threads} thread(s)",
    )
    whole = Taken()
    for name in SEARCHES:
        taken = take_turns(naive, Scorer(bank, pixels), iter(recorded(STRATEGIES[name], problem)))
        add_row(table, name, taken)
        for part in ("naive_s", "ours_s", "sizes", "answers"):
            getattr(whole, part).extend(getattr(taken, part))
    add_row(table, "all", whole)
    Console(width=120).print(table)


def add_row(table: Table, name: str, taken: Taken) -> None:
    """Add what was taken for one stream of candidates."""
    naive, ours = np.array(taken.answers).T
    low, high = taken.interval()
    weights = np.array(taken.sizes)
    table.add_row(
        name,
        str(weights.sum()),
        f"{1e3 * np.average(taken.naive_s, weights=weights):.1f}",
        f"{1e3 * np.average(taken.ours_s, weights=weights):.2f}",
        f"{taken.ratio(range(len(weights))):.1f}x",
        f"{low:.1f}x to {high:.1f}x",
        f"{np.abs(naive - ours).max():.1e}",
        f"{spearmanr(naive, ours).statistic:.6f}",
    )


if __name__ == "__main__":
    typer.run(main)
