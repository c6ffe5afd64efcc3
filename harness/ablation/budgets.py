"""The architectures at which banks are compared, and random ones near budgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness.ablation.plan import BUDGETS, share
from harness.bank import Architecture, ModelBank
from harness.costs import ComplexityCounter
from harness.search import costliest_uniform


def budget_architectures(bank: ModelBank) -> dict[str, Architecture]:
    """Return for every budget the costliest uniform architecture within it."""
    counter = ComplexityCounter(bank)
    found = {}
    for label in BUDGETS:
        arch = costliest_uniform(bank.space, counter.compute_fraction, share(label))
        if arch is not None:
            found[label] = arch
    return found


def random_architectures(
    bank: ModelBank, seed: int, budgets: Sequence[str], each: int
) -> Iterator[tuple[str, Architecture]]:
    """Yield distinct random architectures just below each budget, never the full width, which is UPEM's anchor.

    `each` for every budget, or fewer where the space has no more.
    """
    counter = ComplexityCounter(bank)
    rng = np.random.default_rng(seed)
    seen = {bank.space.full}
    for label in budgets:
        limit, count = share(label), len(seen) + each
        for _ in range(20 * each):
            arch = bank.space.sample_within(rng, counter.compute_fraction, 0.7 * limit, limit)
            if arch is None or arch in seen:
                continue
            seen.add(arch)
            yield label, arch
            if len(seen) == count:
                break
