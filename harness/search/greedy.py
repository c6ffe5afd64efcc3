"""Inherited greedy search (METHOD section 5): from the full width downwards, smaller nets inherit from larger ones."""

from __future__ import annotations

import math
from typing import Literal

from harness.search.candidates import Candidate, Found, Ledger, Problem, Progress
from harness.space import Slot, Space

#: Which drop is kept: the one of lowest UPEM (METHOD), or of the smallest rise in UPEM for the log cost that it saves.
Rule = Literal["upem", "upem-per-cost"]

#: Shares of a width to drop at a time, finest first.
SHARES = tuple(step / 20 for step in range(1, 20))


def search(
    problem: Problem, *, progress: Progress | None = None, share: float | None = None, rule: Rule = "upem"
) -> Found:
    """At each step try one channel-group drop in every free slot and keep the one that `rule` names.

    The answer to a limit is the architecture at which the descent first meets it, so every answer is, width by width,
    at most as wide as those to looser limits. `share` of a width is dropped at a time; by default the finest with which
    the descent to the smallest architecture fits into the evaluations. Where none does, tight limits stay unanswered.
    """
    if share is not None and not 0 < share < 1:
        raise ValueError(f"the share of channels to drop must lie between 0 and 1, not {share}")
    ledger = Ledger(problem, "greedy", progress)
    share = share or finest_share(problem.space, problem.evaluations)
    answers: dict[float, Candidate] = {}
    (current,) = ledger.score([problem.space.full])
    for _ in range(_steps(problem.space, share) + 1):
        for limit in problem.limits:
            if current.cost <= limit:
                answers.setdefault(limit, current)
        drops = problem.space.drops(current.arch, share)
        if not drops or len(answers) == len(set(problem.limits)) or len(tried := ledger.score(drops)) < len(drops):
            break
        current = _kept(current, tried, rule)
    return ledger.found(answers.get(limit) for limit in problem.limits)


def _kept(current: Candidate, tried: list[Candidate], rule: Rule) -> Candidate:
    def rise_per_saving(candidate: Candidate) -> float:
        saved = math.log(current.cost / candidate.cost)
        return (candidate.upem - current.upem) / saved if saved > 0 else math.inf

    return min(tried, key=lambda c: (rise_per_saving(c) if rule == "upem-per-cost" else 0.0, c.merit))


def finest_share(space: Space, evaluations: int) -> float:
    """Return the smallest share with which a descent from full to smallest surely takes at most `evaluations`.

    If there is none, the largest.
    """
    return next((s for s in SHARES if 1 + _steps(space, s) * len(space.free) <= evaluations), SHARES[-1])


def _steps(space: Space, share: float) -> int:
    """Return how many drops lead from the full to the smallest architecture, whatever their order."""
    return sum(_drops(space.slots[index], share) for index in space.free)


def _drops(slot: Slot, share: float) -> int:
    """Return how many drops lead from a slot's full width to its smallest."""
    alone = Space("", (Slot(slot.name, slot.full, slot.minimum, slot.divisor),))
    arch, count = alone.full, 0
    while arch != alone.smallest:
        (arch,) = alone.drops(arch, share)
        count += 1
    return count
