"""Selection: out of everything that was scored, the subnet for each budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.search.budgets import Budget, Cost, InfeasibleBudget, Kind, costs_of, describe
from harness.search.candidates import Candidate


@dataclass(frozen=True)
class Selection:
    """The candidate of lowest UPEM that keeps all limits of a budget, and the next best ones."""

    budget: Budget
    best: Candidate
    runners_up: tuple[Candidate, ...]


def select(
    candidates: Iterable[Candidate],
    budgets: Iterable[Budget],
    costs: Mapping[Kind, Cost],
    *,
    runners_up: int = 2,
) -> tuple[list[Selection], list[InfeasibleBudget]]:
    """Return the selection for every budget that a candidate meets, and the nearest miss for every other.

    An architecture found by several searches counts once, for the first. The full-width subnet has UPEM 0 by
    construction, so wherever it is affordable it is the answer. A cost that is not known is NaN, and meets no limit.
    Raises ValueError if there are no candidates.
    """
    distinct = list({candidate.arch: candidate for candidate in reversed(list(candidates))}.values())
    if not distinct:
        raise ValueError("there is nothing to select from: no candidate was scored")
    ranked = sorted(distinct, key=lambda candidate: (candidate.merit, candidate.arch))
    selections, misses = [], []
    for budget in budgets:
        try:
            selections.append(_select_one(ranked, budget, costs, runners_up))
        except InfeasibleBudget as miss:
            misses.append(miss)
    return selections, misses


def _select_one(ranked: list[Candidate], budget: Budget, costs: Mapping[Kind, Cost], runners_up: int) -> Selection:
    within = [candidate for candidate in ranked if budget.allows(candidate.arch, costs)]
    if not within:
        spent = (costs_of(candidate.arch, costs, budget.kinds) for candidate in ranked)
        nearest = min(spent, key=budget.load)
        raise InfeasibleBudget(budget, f"the nearest of {len(ranked)} subnets needs {describe(budget, nearest)}")
    best, *others = within[: 1 + runners_up]
    return Selection(budget, best, tuple(others))
