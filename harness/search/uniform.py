"""Uniform widths: what a slimmable network without architecture search offers within each budget."""

from __future__ import annotations

from harness.search.budgets import Cost
from harness.search.candidates import Found, Ledger, Problem, Progress
from harness.space import Architecture, Space


def uniform_architectures(space: Space) -> list[Architecture]:
    """Return all architectures of uniform width, narrowest first: those at which some slot is exactly on its grid."""
    ratios = sorted({choice / slot.full for slot in space.slots for choice in slot.choices})
    return list(dict.fromkeys(space.uniform(ratio) for ratio in ratios))


def costliest_uniform(space: Space, cost: Cost, limit: float) -> Architecture | None:
    """Return the costliest uniform architecture that costs at most `limit`, or None where all cost more."""
    within = [(spent, arch) for arch in uniform_architectures(space) if (spent := cost(arch)) <= limit]
    return max(within)[1] if within else None


def search(problem: Problem, *, progress: Progress | None = None) -> Found:
    """Score, for every limit, the costliest uniform architecture within it: one evaluation each."""
    ledger = Ledger(problem, "uniform", progress)
    within = (costliest_uniform(problem.space, problem.cost, limit) for limit in problem.limits)
    ledger.score(arch for arch in within if arch is not None)
    return ledger.found()
