"""Random search: the yardstick for the others."""

from __future__ import annotations

import math

import numpy as np

from harness.search.candidates import Found, Ledger, Problem, Progress
from harness.space import Architecture

#: A draw costs between this share of the cost that was aimed at and all of it.
WINDOW = 0.9

#: Architectures that are scored together.
CHUNK = 256

#: Draws per evaluation before giving up: in a small space most architectures have been seen by then.
PATIENCE = 4


def search(problem: Problem, *, progress: Progress | None = None) -> Found:
    """Score non-uniform architectures whose cost is uniform on a log scale, from the smallest to the loosest limit."""
    ledger = Ledger(problem, "random", progress)
    rng = np.random.default_rng(problem.seed)
    low = problem.cost(problem.space.smallest)
    high = max(low, min(problem.cost(problem.space.full), max(problem.limits)))
    drawn: dict[Architecture, None] = {}
    wanted = problem.halving.pool(problem.evaluations) if problem.halving else problem.evaluations
    for _ in range(PATIENCE * wanted):
        if len(drawn) == wanted:
            break
        aim = math.exp(rng.uniform(math.log(low), math.log(high)))
        arch = problem.space.sample_within(rng, problem.cost, WINDOW * aim, aim)
        if arch is not None:
            drawn[arch] = None
    archs = list(drawn)
    for start in range(0, len(archs), CHUNK):
        ledger.score(ledger.worth_scoring(archs[start : start + CHUNK]))
    return ledger.found()
