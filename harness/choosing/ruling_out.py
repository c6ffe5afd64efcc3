"""Budgets that no subnet can meet on a device, known before minutes are spent on anything else."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from devices import Device
from harness.bank import Architecture, ModelBank
from harness.console import Advance
from harness.costs import ComplexityCounter
from harness.measuring import MeasurementError, Store, Subject, explore, finalists, guards
from harness.profiling import deployment_for, least_of
from harness.results import MEGABYTE
from harness.running import Configuration, Run
from harness.search import (
    COMPUTE,
    ENERGY,
    LATENCY,
    MEMORY,
    MODEL_SIZE,
    Budget,
    InfeasibleBudget,
    Kind,
    split_feasible,
)


def rule_out_the_impossible(run: Run, bank: ModelBank) -> None:
    """Reach every device and drop the budgets that no subnet can meet, before minutes are spent on anything else."""
    counter = ComplexityCounter(bank)

    def checked(configuration: Configuration, device: Device) -> None:
        name = configuration.name
        run.folder.record.devices[name] = device.describe().model_dump()
        _look_at(run, device)
        deployment = deployment_for(device, run, bank, configuration)
        with tempfile.TemporaryDirectory() as scratch, run.console.stage(f"checking {name}") as advance:

            def shape(arch: Architecture) -> Subject:
                return deployment.shape(arch, Path(scratch), run.provenance)

            misses = rule_out(configuration.budgets, device, shape, counter, run.store, advance)
        run.rule_out(configuration, misses)

    run.on_every_device("checks", checked)


def _look_at(run: Run, device: Device) -> None:
    """Tell, once, what speaks against measuring on a device now, and keep it in run.json; nothing is set right."""
    findings = run.folder.record.findings
    if device.profile.name not in findings:
        found = [f"{finding.problem}. {finding.advice}" for finding in guards.check(device)]
        findings[device.profile.name] = found
        for line in found:
            run.console.say(f"{device.profile.name}: {line}")


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
