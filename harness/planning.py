"""What to measure and what to search: the profiled pool, budgets that cannot be met, and the searches of one run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from devices import Device
from harness.bank import Architecture, BankError, ModelBank, StandaloneBank
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
    STRATEGIES,
    Budget,
    Candidate,
    Cost,
    Halving,
    InfeasibleBudget,
    Kind,
    Problem,
    Scorer,
    costliest_uniform,
    costs_of,
    evolutionary,
    split_feasible,
)
from harness.settings import RunSettings
from harness.space import Space
from harness.tradeoff import MEGABYTE, DeviceResults

#: Searches of how many joint budgets are made at full length; more of them share that time.
JOINT_SEARCHES = 8

#: Rungs of the ladder of compute on which the profiled pool stands.
RUNGS = tuple(2.0**-i for i in range(7))

#: Halving looks first at every so many-th image.
HALVING_EVERY = 4


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


@dataclass(frozen=True)
class Search:
    """One problem, given to every strategy: a cost, limits on it, and the evaluations each strategy may spend."""

    cost: Cost
    limits: tuple[float, ...]
    evaluations: int


def searches(budgets: Sequence[Budget], costs: Mapping[Kind, Cost], evaluations: int) -> list[Search]:
    """Return what to search for the budgets, with predicted or exact `costs`.

    Budgets that limit one cost alone share a search of that cost. Every joint budget has its own, of its load: the
    largest share of any of its limits that is spent. Joint ones together have the evaluations of `JOINT_SEARCHES`.
    """
    alone: dict[Kind, list[float]] = {}
    joint = [budget for budget in budgets if len(budget.limits) > 1]
    for budget in budgets:
        if len(budget.limits) == 1:
            alone.setdefault(budget.limits[0].kind, []).append(budget.limits[0].value)
    share = max(1, evaluations * min(JOINT_SEARCHES, len(joint)) // max(1, len(joint)))
    return [
        *(Search(costs[kind], tuple(dict.fromkeys(limits)), evaluations) for kind, limits in alone.items()),
        *(Search(_load(budget, costs), (1.0,), share) for budget in joint),
    ]


def number_of_searches(budgets: Sequence[Budget]) -> int:
    """Return how many searches the budgets ask for."""
    return len({budget.kinds if len(budget.limits) == 1 else budget for budget in budgets})


def _load(budget: Budget, costs: Mapping[Kind, Cost]) -> Cost:
    return lambda arch: budget.load(costs_of(arch, costs, budget.kinds))


def find_candidates(
    bank: ModelBank, scorer: Scorer, results: DeviceResults, settings: RunSettings, advance: Advance
) -> list[Candidate]:
    """Give every search that the budgets ask for to every strategy, the same number of evaluations each.

    Where networks were trained apart there is nothing to search: they are the candidates.
    """
    counter = ComplexityCounter(bank)
    if isinstance(bank, StandaloneBank):
        return [
            Candidate(arch, upem, counter.compute_fraction(arch), "uniform")
            for arch, upem in zip(bank.archs, scorer(bank.archs), strict=True)
        ]
    scorer(list(results.measured))
    asked = searches(results.budgets, results.costs(counter), settings.effort.evaluations)
    total = len(STRATEGIES) * sum(search.evaluations for search in asked)
    before = 0
    candidates: list[Candidate] = []
    halving = Halving(scorer.on_part(HALVING_EVERY), 1 / HALVING_EVERY) if settings.effort.halving else None
    for search in asked:
        problem = Problem(bank.space, scorer, search.cost, search.limits, search.evaluations, settings.seed, halving)
        answers: tuple[Architecture, ...] = ()
        for name, strategy in STRATEGIES.items():

            def progress(done: int, _: int, before: int = before) -> None:
                advance(before + done, total)

            if name == "evolution":
                found = evolutionary.search(problem, initial=answers, progress=progress)
            else:
                found = strategy(problem, progress=progress)
            before += search.evaluations
            answers += tuple(answer.arch for answer in found.answers if answer)
            candidates += found.candidates
    return candidates
