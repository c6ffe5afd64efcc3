"""Energy of one image, predicted to propose candidates for a limit; finalists are always measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.costs.complexity import ComplexityCounter
from harness.costs.linear import Features, LinearModel
from harness.space import Architecture

NAMES = ("constant", "ms", "GMAC")


def fit_energy(
    counter: ComplexityCounter,
    latency_ms: Callable[[Architecture], float],
    archs: Sequence[Architecture],
    energies_mj: Sequence[float],
    batch_size: int,
) -> LinearModel:
    """Return the model of measured energies: a constant, power over the predicted latency, and multiply-adds.

    All of one image; `latency_ms` is of a batch. Raises as `LinearModel.fit`.
    """
    return LinearModel.fit(NAMES, energy_features(counter, latency_ms, batch_size), archs, energies_mj)


def energy_features(
    counter: ComplexityCounter, latency_ms: Callable[[Architecture], float], batch_size: int
) -> Features:
    """Return what gives how much of each of `NAMES` an architecture has."""

    def features(arch: Architecture) -> tuple[float, float, float]:
        return 1.0, latency_ms(arch) / batch_size, counter.macs(arch) / 1e9

    return features
