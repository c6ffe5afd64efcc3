"""Evolutionary search: NSGA-II over UPEM and cost, from pymoo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.problem import Problem as IntegerProblem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair

from harness.search.candidates import Candidate, Found, Ledger, Problem, Progress
from harness.search.uniform import uniform_architectures
from harness.space import Architecture, Space

#: Members of a generation.
POPULATION = 32


def search(
    problem: Problem,
    *,
    progress: Progress | None = None,
    initial: Sequence[Architecture] = (),
    population: int = POPULATION,
) -> Found:
    """Evolve the front of (UPEM, log cost) up to the loosest limit; every architecture is scored once.

    The first generation: `initial` (say, greedy's answers), then uniform widths, then random ones.
    """
    ledger = Ledger(problem, "evolution", progress)
    algorithm = _algorithm(problem, ledger, initial, min(population, problem.evaluations))
    while ledger.left and (offspring := algorithm.ask()) is not None:
        archs = _decode(problem.space, offspring.get("X"))
        chosen = ledger.worth_scoring(archs) if ledger.candidates else archs
        scored = ledger.score(chosen)
        if not scored:
            break
        offspring = offspring[[archs.index(candidate.arch) for candidate in scored]]
        offspring.set("F", _objectives(problem, scored), "G", _excess(problem, scored))
        algorithm.tell(infills=offspring)
    return ledger.found()


def _algorithm(problem: Problem, ledger: Ledger, initial: Iterable[Architecture], population: int) -> Any:
    choices = [len(problem.space.slots[index].choices) for index in problem.space.free]
    algorithm = NSGA2(
        pop_size=population,
        n_offsprings=int(population / problem.halving.keep) if problem.halving else population,
        sampling=_first_generation(problem, initial, population),
        crossover=SBX(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=_Unseen(problem.space, ledger),
    )
    integers = IntegerProblem(n_var=len(choices), n_obj=2, n_ieq_constr=1, xl=0, xu=np.array(choices) - 1, vtype=int)
    # The ledger ends the search, so pymoo's own criteria must not.
    return algorithm.setup(integers, termination=("n_gen", np.inf), seed=problem.seed, verbose=False)


def _first_generation(problem: Problem, initial: Iterable[Architecture], size: int) -> NDArray[np.int64]:
    """Return distinct choice indices [at most size, free slots]."""
    rng = np.random.default_rng(problem.seed)
    uniform = uniform_architectures(problem.space)
    spread = np.linspace(0, len(uniform) - 1, max(2, size // 2)).round().astype(int)
    archs = [*initial, *(uniform[i] for i in spread), *(problem.space.sample(rng) for _ in range(size))]
    return np.array([problem.space.to_indices(arch) for arch in list(dict.fromkeys(archs))[:size]])


class _Unseen(DuplicateElimination):  # type: ignore[misc]
    """Marks offspring that occur twice, or that the search has scored before in whichever generation."""

    def __init__(self, space: Space, ledger: Ledger) -> None:
        super().__init__()
        self._space = space
        self._ledger = ledger

    def _do(self, pop: Any, other: Any, is_duplicate: NDArray[np.bool_]) -> NDArray[np.bool_]:
        seen = set() if other is None else set(_decode(self._space, other.get("X")))
        for i, arch in enumerate(_decode(self._space, pop.get("X"))):
            is_duplicate[i] = arch in seen or arch in self._ledger
            seen.add(arch)
        return is_duplicate


def _decode(space: Space, indices: NDArray[np.int64]) -> list[Architecture]:
    return [space.from_indices(row) for row in indices]


def _objectives(problem: Problem, candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """Return UPEM and log cost [N, 2]; below the tightest limit less cost is worth nothing."""
    tightest = min(problem.limits)
    return np.array([[c.upem, np.log(max(c.cost, tightest))] for c in candidates])


def _excess(problem: Problem, candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """Return how far the log cost is above the loosest limit [N, 1]: above zero is infeasible."""
    return np.array([[np.log(c.cost / max(problem.limits))] for c in candidates])
