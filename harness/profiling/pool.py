"""The pool: the networks that profiling begins with, spread over the ladder of compute."""

from __future__ import annotations

import numpy as np

from harness.bank import Architecture
from harness.costs import ComplexityCounter
from harness.space import Space

#: Rungs of the ladder of compute on which the profiled pool stands.
RUNGS = tuple(2.0**-i for i in range(7))


def pool(space: Space, counter: ComplexityCounter, size: int, seed: int) -> list[Architecture]:
    """Return `size` architectures to measure: full, smallest, and random ones around every rung of compute."""
    rng = np.random.default_rng(seed)
    archs = [space.full, space.smallest]
    for index in range(4 * size):
        rung = RUNGS[index % len(RUNGS)]
        arch = space.sample_within(rng, counter.compute_fraction, 0.6 * rung, rung)
        if arch is not None and arch not in archs:
            archs.append(arch)
        if len(archs) >= size:
            break
    return archs
