"""A small predictor of latency, to propose candidates for a latency budget; finalists are always measured.

A latency is taken as a sum of what plausibly takes time, each at a rate that cannot be negative: a fixed part,
multiply-adds of each stage, weights and activations moved. The rates are fitted by non-negative least squares on
relative errors (Lawson and Hanson, Solving Least Squares Problems, chapter 23).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import spearmanr

from harness.costs.complexity import ComplexityCounter
from harness.space import Architecture

Floats = NDArray[np.float64]

FP32_BYTES = 4


class TooFewMeasurements(ValueError):
    """Not enough measured architectures to fit and to check a latency model."""


class LatencyFeatures:
    """What a subnet's latency is made of, computed from its architecture alone."""

    def __init__(self, counter: ComplexityCounter) -> None:
        self.counter = counter
        self._stages = _stages(counter.layer_names)
        self.names = ("constant", *(f"GMAC of {stage}" for stage in self._stages), "MB of weights", "MB of activations")

    def __call__(self, arch: Architecture) -> Floats:
        """Return the features [len(names)] of one image through the subnet in fp32."""
        gmacs = self.counter.layer_macs(arch) / 1e9
        stages = [gmacs[layers].sum() for layers in self._stages.values()]
        weights = self.counter.layer_params(arch).sum() * FP32_BYTES / 1e6
        activations = self.counter.layer_activations(arch).sum() * FP32_BYTES / 1e6
        return np.array([1.0, *stages, weights, activations])


@dataclass(frozen=True)
class HeldOutError:
    """How well latencies are predicted that the fit has not seen (leave-one-out)."""

    median: float
    """Median relative error."""
    p90: float
    """90th percentile of the relative error."""
    rank_correlation: float
    """Spearman's, between predicted and measured."""


@dataclass(frozen=True)
class LatencyModel:
    """Predicts the latency of any architecture of one space, for the device and settings it was fitted on."""

    features: LatencyFeatures
    rates: Floats
    """Milliseconds per unit of each feature, none negative."""
    held_out: HeldOutError
    macs_only: HeldOutError
    """The same of a constant and the total multiply-adds alone, for comparison."""

    @classmethod
    def fit(
        cls, archs: Sequence[Architecture], latencies_ms: Sequence[float], features: LatencyFeatures
    ) -> LatencyModel:
        """Fit on measured architectures.

        TooFewMeasurements unless every leave-one-out fit has as many distinct architectures as features; ValueError for
        latencies that are not positive numbers, one for each architecture.
        """
        measured = np.array(latencies_ms, np.float64)
        if len(archs) != len(measured) or not (np.isfinite(measured).all() and (measured > 0).all()):
            raise ValueError(f"{len(archs)} architectures need as many positive latencies, got {list(latencies_ms)}")
        needed = len(features.names) + 1
        if len(set(archs)) != len(archs) or len(archs) < needed:
            raise TooFewMeasurements(
                f"a latency model needs at least {needed} different measured architectures, got {len(set(archs))} in "
                f"{len(archs)} measurements"
            )
        matrix = np.stack([features(arch) for arch in archs])
        macs = np.array([[1.0, features.counter.macs(arch) / 1e9] for arch in archs])
        return cls(features, _rates(matrix, measured), _leave_one_out(matrix, measured), _leave_one_out(macs, measured))

    def predict_ms(self, arch: Architecture) -> float:
        """Return the predicted latency in milliseconds."""
        return float(self.features(arch) @ self.rates)


def _rates(features: Floats, latencies: Floats) -> Floats:
    """Return r >= 0 that minimises sum_i ((features_i . r - latency_i) / latency_i)^2."""
    scale = features.max(axis=0)
    rates, _ = nnls(features / scale / latencies[:, None], np.ones(len(latencies)))
    return np.asarray(rates / scale, np.float64)


def _leave_one_out(features: Floats, latencies: Floats) -> HeldOutError:
    everything = np.arange(len(latencies))
    predicted = np.array(
        [features[i] @ _rates(features[everything != i], latencies[everything != i]) for i in everything]
    )
    errors = np.abs(predicted - latencies) / latencies
    rank = spearmanr(predicted, latencies).statistic
    return HeldOutError(float(np.median(errors)), float(np.percentile(errors, 90)), float(rank))


def _stages(layer_names: Sequence[str]) -> dict[str, list[int]]:
    """Group layers by stage ("layer2_1.branch.conv1" is of "layer2"); the head's few multiply-adds join the last."""
    stages: dict[str, list[int]] = {}
    for index, name in enumerate(layer_names[:-1]):
        stages.setdefault(name.split("_")[0], []).append(index)
    stages[list(stages)[-1]].append(len(layer_names) - 1)
    return stages
