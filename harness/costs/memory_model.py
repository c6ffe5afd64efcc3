"""Peak memory of a subnet, predicted to propose candidates for a limit; finalists are always measured."""

from __future__ import annotations

from collections.abc import Sequence

from harness.costs.complexity import ComplexityCounter
from harness.costs.linear import Features, LinearModel
from harness.space import Architecture

NAMES = ("constant", "M weights", "M activations of the largest layer")


def fit_memory(
    counter: ComplexityCounter, archs: Sequence[Architecture], peaks_mb: Sequence[float], batch_size: int
) -> LinearModel:
    """Return the model of measured peaks: a constant, weights, and what the largest layer reads and writes.

    Bytes of a number, and how many copies the runtime holds, are in the rates. Raises as `LinearModel.fit`.
    """
    return LinearModel.fit(NAMES, memory_features(counter, batch_size), archs, peaks_mb)


def memory_features(counter: ComplexityCounter, batch_size: int) -> Features:
    """Return what gives how much of each of `NAMES` an architecture has."""

    def features(arch: Architecture) -> tuple[float, float, float]:
        largest = (counter.layer_inputs(arch) + counter.layer_activations(arch)).max()
        return 1.0, counter.params(arch) / 1e6, float(largest) * batch_size / 1e6

    return features
