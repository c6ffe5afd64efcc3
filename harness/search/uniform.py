"""Uniform widths: what a slimmable network without architecture search offers within each budget."""

from __future__ import annotations

from harness.search.candidates import Found, Ledger, Problem, Progress
from harness.space import Architecture, Space


def uniform_architectures(space: Space) -> list[Architecture]:
    """Return all architectures of uniform width, narrowest first: those at which some slot is exactly on its grid."""
    ratios = sorted({choice / slot.full for slot in space.slots for choice in slot.choices})
    return list(dict.fromkeys(space.uniform(ratio) for ratio in ratios))


def search(problem: Problem, *, progress: Progress | None = None) -> Found:
    """Score, for every limit, the costliest uniform architecture within it: one evaluation each."""
    ledger = Ledger(problem, "uniform", progress)
    costs = [(problem.cost(arch), arch) for arch in uniform_architectures(problem.space)]
    for limit in problem.limits:
        within = [pair for pair in costs if pair[0] <= limit]
        if within:
            ledger.score([max(within)[1]])
    return ledger.found()
