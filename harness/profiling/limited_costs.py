"""Memory and energy where they are limited: what the least is, and the model fitted to a spread of subnets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from devices import Device
from harness.bank import Architecture
from harness.costs import ComplexityCounter, LinearModel, TooFewFigures, fit_energy, fit_memory
from harness.measuring import (
    EnergyRecord,
    MeasurementError,
    MemoryRecord,
    Store,
    Subject,
    measure_energy,
    measure_memory,
)
from harness.results import DeviceResults
from harness.search import ENERGY, MEMORY, Budget, Kind

#: Subnets that a model of memory or energy is fitted to.
FITTED = 8

#: How a cost is called in messages and in run.json.
COST_NAMES = {MEMORY: "memory", ENERGY: "energy"}


def limited(budgets: Iterable[Budget]) -> list[Kind]:
    """Return which of memory and energy any of the budgets limits."""
    kinds = {kind for budget in budgets for kind in budget.kinds}
    return [kind for kind in COST_NAMES if kind in kinds]


def least_of(kind: Kind, device: Device, smallest: Subject, full: Subject, store: Store) -> float | None:
    """Return the smallest subnet's memory or energy; None where it is too small to be told, but the full one's is not.

    Raises MeasurementError where neither can be told: no subnet's can, and no limit can be answered.
    """
    record = _measure(kind, device, smallest, store)
    if record.figure is None and _measure(kind, device, full, store).figure is None:
        raise MeasurementError(
            f"{kind.option} cannot be answered on {device.profile.name}, where {COST_NAMES[kind]} cannot be measured: "
            f"{record.reason}"
        )
    return record.figure


def fit_limited(
    device: Device,
    results: DeviceResults,
    counter: ComplexityCounter,
    subjects: Mapping[Architecture, Subject],
    store: Store,
    advance: Callable[[int, int], None],
) -> dict[str, LinearModel]:
    """Measure what is limited of memory and energy on a spread of subnets; return models fitted to it, by name.

    Raises MeasurementError where too few can be measured.
    """
    archs = spread(list(subjects), counter)
    kinds = limited(results.budgets)
    for index, kind in enumerate(kinds):
        for done, arch in enumerate(archs, start=1):
            find_out(kind, device, results, arch, subjects[arch], store)
            advance(index * len(archs) + done, len(kinds) * len(archs))
    models = {COST_NAMES[kind]: _fitted(kind, results, counter, archs) for kind in kinds}
    results.memory_model, results.energy_model = models.get(COST_NAMES[MEMORY]), models.get(COST_NAMES[ENERGY])
    return models


def spread(archs: Sequence[Architecture], counter: ComplexityCounter) -> list[Architecture]:
    """Return `FITTED` of the architectures, or all where there are fewer, evenly from the smallest to the largest."""
    ranked = sorted(archs, key=lambda arch: (counter.macs(arch), arch))
    places = np.linspace(0, len(ranked) - 1, min(FITTED, len(ranked))).round().astype(int)
    return [ranked[place] for place in places]


def _measure(kind: Kind, device: Device, subject: Subject, store: Store) -> MemoryRecord | EnergyRecord:
    return (measure_memory if kind == MEMORY else measure_energy)(device, subject, store=store)


def find_out(
    kind: Kind, device: Device, results: DeviceResults, arch: Architecture, subject: Subject, store: Store
) -> None:
    """Measure the memory or the energy of a subnet, and take it in."""
    record = _measure(kind, device, subject, store)
    if isinstance(record, MemoryRecord):
        results.memory[arch] = record
    else:
        results.energy[arch] = record


def _fitted(
    kind: Kind, results: DeviceResults, counter: ComplexityCounter, archs: Sequence[Architecture]
) -> LinearModel:
    records = results.memory if kind == MEMORY else results.energy
    known = {arch: figure for arch in archs if (figure := records[arch].figure) is not None}
    try:
        if kind == MEMORY:
            return fit_memory(counter, list(known), list(known.values()), results.batch_size)
        assert results.predictor
        predict_ms = results.predictor.predict_ms
        return fit_energy(counter, predict_ms, list(known), list(known.values()), results.batch_size)
    except TooFewFigures as error:
        reason = next((records[arch].reason for arch in archs if records[arch].reason), "")
        raise MeasurementError(
            f"{COST_NAMES[kind]} could be measured of too few subnets on {results.name}: {error}; {reason}".strip("; ")
        ) from error
