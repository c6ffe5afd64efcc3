"""What all searches share: the problem, the candidates they score, and the count of evaluations they may spend."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from harness.search.budgets import Cost
from harness.search.halving import Halving
from harness.search.scores import Score
from harness.space import Architecture, Space, encode

ChosenBy = Literal["greedy", "evolution", "random", "uniform"]

#: Called as progress(done, total).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Candidate:
    """An architecture that was scored: its UPEM, its cost in the unit of the search, and the search that found it."""

    arch: Architecture
    upem: float
    cost: float
    chosen_by: ChosenBy | None
    """None of one that an earlier search scored."""

    @property
    def merit(self) -> tuple[float, float]:
        """What candidates are ordered by: UPEM, then cost; the best first."""
        return self.upem, self.cost


@dataclass(frozen=True)
class Problem:
    """What to search: the architectures of least UPEM within each limit on a cost.

    `cost` must be positive, and cheap beside `score`; `limits` are in its unit. At most `evaluations` architectures are
    scored, so that strategies can be compared at the same count; where there is `halving`, a look on a part of the
    images counts as that part of an evaluation. Same `seed`, same answer.
    """

    space: Space
    score: Score
    cost: Cost
    limits: tuple[float, ...]
    evaluations: int
    seed: int = 0
    halving: Halving | None = None

    def __post_init__(self) -> None:
        if self.evaluations < 1:
            raise ValueError(f"a search needs at least one evaluation, not {self.evaluations}")
        if not self.limits or not all(limit > 0 for limit in self.limits):
            raise ValueError(f"a search needs limits above zero, not {self.limits}")
        for arch in (self.space.smallest, self.space.full):
            self.checked_cost(arch)

    def checked_cost(self, arch: Architecture) -> float:
        """Return what an architecture costs; ValueError unless that is a positive number."""
        cost = self.cost(arch)
        if not (math.isfinite(cost) and cost > 0):
            raise ValueError(f"the cost of {encode(arch)} must be a positive number, not {cost}")
        return cost


@dataclass(frozen=True)
class Found:
    """What a search leaves: everything it scored, in order, and its answer to each limit (None: it has none)."""

    candidates: tuple[Candidate, ...]
    answers: tuple[Candidate | None, ...]


class Strategy(Protocol):
    """A way of searching."""

    def __call__(self, problem: Problem, *, progress: Progress | None = None) -> Found:
        """Score at most `problem.evaluations` architectures."""


class Ledger:
    """The candidates that one search has scored, each once, and the evaluations it has left."""

    def __init__(self, problem: Problem, chosen_by: ChosenBy, progress: Progress | None) -> None:
        self._problem = problem
        self._chosen_by = chosen_by
        self._progress = progress or (lambda done, total: None)
        self._scored: dict[Architecture, Candidate] = {}
        self._glanced: dict[Architecture, float] = {}

    def __contains__(self, arch: Architecture) -> bool:
        return arch in self._scored

    @property
    def left(self) -> int:
        """How many more architectures may be scored."""
        halving = self._problem.halving
        glances = halving.part * len(self._glanced) if halving else 0.0
        return max(0, int(self._problem.evaluations - len(self._scored) - glances))

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Everything scored so far, in order."""
        return tuple(self._scored.values())

    def score(self, archs: Iterable[Architecture]) -> list[Candidate]:
        """Return the candidates of these architectures, in order, without those for which no evaluation was left.

        Raises ValueError for a score or a cost that is not a usable number.
        """
        asked = list(archs)
        new = [arch for arch in dict.fromkeys(asked) if arch not in self._scored][: self.left]
        if new:
            self._scored |= self._evaluated(new)
            self._progress(len(self._scored), self._problem.evaluations)
        return [self._scored[arch] for arch in asked if arch in self._scored]

    def worth_scoring(self, archs: Iterable[Architecture]) -> list[Architecture]:
        """Return those that halving keeps after a look on a part of the images; all where the problem has none."""
        halving = self._problem.halving
        asked = list(dict.fromkeys(archs))
        if halving is None:
            return asked
        new = [arch for arch in asked if arch not in self._glanced][: int(self.left / halving.part)]
        if new:
            self._glanced |= zip(new, halving.score(new), strict=True)
        known = {arch: self._glanced[arch] for arch in asked if arch in self._glanced}
        return halving.survivors(known, self._problem.cost)

    def found(self, answers: Iterable[Candidate | None] | None = None) -> Found:
        """Close the search; without answers of its own they are the best candidates within each limit."""
        if answers is None:
            answers = (best_within(self.candidates, limit) for limit in self._problem.limits)
        self._progress(self._problem.evaluations, self._problem.evaluations)
        return Found(self.candidates, tuple(answers))

    def _evaluated(self, archs: Sequence[Architecture]) -> dict[Architecture, Candidate]:
        costs = [self._problem.checked_cost(arch) for arch in archs]
        candidates: dict[Architecture, Candidate] = {}
        for arch, cost, upem in zip(archs, costs, self._problem.score(archs), strict=True):
            if not math.isfinite(upem):
                raise ValueError(f"the score of {encode(arch)} must be a number, not {upem}")
            candidates[arch] = Candidate(arch, upem, cost, self._chosen_by)
        return candidates


def best_within(candidates: Iterable[Candidate], limit: float) -> Candidate | None:
    """Return the candidate of lowest UPEM (and then lowest cost) that costs at most `limit`, if there is one."""
    return min((c for c in candidates if c.cost <= limit), key=lambda c: c.merit, default=None)
