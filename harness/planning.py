"""What to measure and what to search: the profiled pool, budgets that cannot be met, and the searches of one run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from devices import Device
from harness.bank import Architecture, BankError
from harness.console import Advance
from harness.costs import ComplexityCounter
from harness.limited import least_of
from harness.measuring import MeasurementError, Store, Subject, explore, finalists
from harness.search import (
    COMPUTE,
    ENERGY,
    LATENCY,
    MEMORY,
    MODEL_SIZE,
    Budget,
    InfeasibleBudget,
    Kind,
    costliest_uniform,
    split_feasible,
)
from harness.space import Space
from harness.tradeoff import MEGABYTE

#: Rungs of the ladder of compute on which the profiled pool stands.
RUNGS = tuple(2.0**-i for i in range(7))


def default_model(input_shape: tuple[int, int, int]) -> str:
    """Return the backbone for images of this (channels, height, width): the small one up to 32 pixels."""
    size = max(input_shape[1:])
    if size < 16:
        raise BankError(f"images of {size} pixels are too small: every backbone needs at least 16")
    return "resnet8" if size <= 32 else "resnet18"


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


def standalone_widths(space: Space, counter: ComplexityCounter, budgets: Iterable[Budget]) -> list[Architecture]:
    """Return the widths to train apart: the costliest uniform ones within every share of compute that is asked for.

    Where compute is not limited, they stand on the rungs of the ladder of compute.
    """
    shares = [limit.value for budget in budgets for limit in budget.limits if limit.kind == COMPUTE]
    found = [costliest_uniform(space, counter.compute_fraction, share) for share in shares or RUNGS]
    return list(dict.fromkeys(arch for arch in found if arch is not None))


def rule_out(
    budgets: Sequence[Budget],
    device: Device,
    shape: Callable[[Architecture], Subject],
    counter: ComplexityCounter,
    store: Store,
    advance: Advance,
) -> list[InfeasibleBudget]:
    """Return the budgets that even the smallest subnet exceeds, each with the nearest miss.

    What is known exactly comes first: the smallest subnet, as `shape` exports it, is measured only for the limits of
    budgets that are then left. Raises MeasurementError where a limited cost cannot be measured on the device at all.
    """
    shape = functools.cache(shape)
    left, misses = split_feasible(budgets, least_exactly(budgets, shape, counter))
    kinds = {kind for budget in left for kind in budget.kinds}
    if kinds <= {COMPUTE, MODEL_SIZE}:
        return misses
    least: dict[Kind, float] = {}
    smallest, full = shape(counter.space.smallest), shape(counter.space.full)
    if LATENCY in kinds:
        tightest = min(limit.value for budget in left for limit in budget.limits if limit.kind == LATENCY)
        least[LATENCY] = _least_latency(device, smallest, full, tightest, store, advance)
    for kind in (MEMORY, ENERGY):
        if kind in kinds and (found := least_of(kind, device, smallest, full, store)) is not None:
            least[kind] = found
    return misses + split_feasible(left, least)[1]


def least_exactly(
    budgets: Iterable[Budget], shape: Callable[[Architecture], Subject], counter: ComplexityCounter
) -> dict[Kind, float]:
    """Return the smallest subnet's costs that are known without a device; of its file only where that is limited."""
    smallest = counter.space.smallest
    least: dict[Kind, float] = {COMPUTE: counter.compute_fraction(smallest)}
    if any(MODEL_SIZE in budget.kinds for budget in budgets):
        least[MODEL_SIZE] = shape(smallest).file.stat().st_size / MEGABYTE
    return least


def _least_latency(
    device: Device, smallest: Subject, anchor: Subject, tightest: float, store: Store, advance: Advance
) -> float:
    """Return what the smallest subnet surely takes.

    It is measured over fresh processes before it is held against a budget: its lower bound must be above the limit.
    """
    measured = explore(device, [smallest], anchor, store=store, progress=advance)[smallest.name]
    if measured.summary is None or measured.summary.p50_ms > tightest:
        measured = finalists(device, [smallest], anchor, store=store, progress=advance)[smallest.name]
    if measured.summary is None:
        raise MeasurementError(f"the smallest subnet cannot be measured on {device.profile.name}: {measured.reason}")
    return measured.summary.ci_low_ms or measured.summary.p50_ms
