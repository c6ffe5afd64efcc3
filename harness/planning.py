"""What to measure and what to search: the profiled pool, budgets that cannot be met, and the searches of one run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from devices import Device
from harness.bank import Architecture, BankError, ModelBank, StandaloneBank
from harness.console import Advance
from harness.costs import ComplexityCounter
from harness.deployment import Deployment
from harness.measuring import MeasurementError, Store, explore, finalists
from harness.search import (
    COMPUTE,
    LATENCY,
    STRATEGIES,
    Budget,
    Candidate,
    Cost,
    InfeasibleBudget,
    Kind,
    Problem,
    Scorer,
    costliest_uniform,
    evolutionary,
    split_feasible,
)
from harness.settings import RunSettings
from harness.space import Space
from harness.tradeoff import DeviceResults

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
    budgets: list[Budget], device: Device, deployment: Deployment, scratch: Path, store: Store, advance: Advance
) -> list[InfeasibleBudget]:
    """Return the budgets that even the smallest subnet exceeds, each with the nearest miss.

    The smallest subnet is measured only where latency is limited, and over fresh processes before it is held against a
    budget: that its lower bound is above the limit must be sure.
    """
    space = deployment.bank.space
    least: dict[Kind, float] = {COMPUTE: ComplexityCounter(deployment.bank).compute_fraction(space.smallest)}
    limits = [limit.value for budget in budgets for limit in budget.limits if limit.kind == LATENCY]
    if limits:
        smallest, anchor = (deployment.shape(arch, scratch) for arch in (space.smallest, space.full))
        measured = explore(device, [smallest], anchor, store=store, progress=advance)[smallest.name]
        if measured.summary is None or measured.summary.p50_ms > min(limits):
            measured = finalists(device, [smallest], anchor, store=store, progress=advance)[smallest.name]
        if measured.summary is None:
            raise MeasurementError(
                f"the smallest subnet cannot be measured on {device.profile.name}: {measured.reason}"
            )
        least[LATENCY] = measured.summary.ci_low_ms or measured.summary.p50_ms
    return split_feasible(budgets, least)[1]


def find_candidates(
    bank: ModelBank, scorer: Scorer, results: DeviceResults, settings: RunSettings, advance: Advance
) -> list[Candidate]:
    """Run every strategy for every kind of limit in the budgets, the same number of evaluations each.

    Where networks were trained apart there is nothing to search: they are the candidates.
    """
    counter = ComplexityCounter(bank)
    if isinstance(bank, StandaloneBank):
        return [
            Candidate(arch, upem, counter.compute_fraction(arch), "uniform")
            for arch, upem in zip(bank.archs, scorer(bank.archs), strict=True)
        ]
    costs: dict[Kind, Cost] = {COMPUTE: counter.compute_fraction}
    if results.predictor:
        costs[LATENCY] = results.predictor.predict_ms
    scorer(list(results.measured))
    limits = {
        kind: tuple(dict.fromkeys(limit.value for b in results.budgets for limit in b.limits if limit.kind == kind))
        for kind in costs
    }
    searched = [kind for kind in costs if limits[kind]]
    total = settings.effort.evaluations * len(STRATEGIES) * len(searched)
    candidates: list[Candidate] = []
    for index, kind in enumerate(searched):
        problem = Problem(bank.space, scorer, costs[kind], limits[kind], settings.effort.evaluations, settings.seed)
        answers: tuple[Architecture, ...] = ()
        for number, (name, strategy) in enumerate(STRATEGIES.items()):
            before = (index * len(STRATEGIES) + number) * settings.effort.evaluations

            def progress(done: int, _: int, before: int = before) -> None:
                advance(before + done, total)

            if name == "evolution":
                found = evolutionary.search(problem, initial=answers, progress=progress)
            else:
                found = strategy(problem, progress=progress)
            answers += tuple(answer.arch for answer in found.answers if answer)
            candidates += found.candidates
    return candidates
