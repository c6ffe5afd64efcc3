"""The cost model: the latency of any architecture on one device, with an interval, from minutes of measuring.

A latency is the sum over the layers of what each costs at its widths, a linear function of its channel blocks. Layers
measured one by one give a first idea of every rate; whole networks, measured as they run, correct them: fused sums,
layouts that change between layers, and weights that are too many in all for a cache that held each layer's. That is a
Bayesian linear regression (Bishop, Pattern Recognition and Machine Learning, section 3.3) with the layers' rates as the
prior's mean and relative errors, so that the small end counts as much as the large one. How far the prior is trusted,
and in which blocks the device computes channels, is what predicts best what the fit leaves out.

Latencies are kept as shares of the full-width subnet's of the same rounds (MEASURING section 2.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from harness.bank import Architecture
from harness.costs.channel_blocks import ChannelBlocks, Floats
from harness.costs.layer_costs import MeasuredLayer, held_out_layers
from harness.costs.layer_kinds import LayerTable
from harness.costs.network_features import KNOTS, NetworkFeatures
from harness.costs.regression import RIDGES, Regression

#: Networks that a model is fitted to, at least.
LEAST_NETWORKS = 8

#: Blocks that may be found, the simpler first: the vector widths of processors and the tiles of GPUs, and what inputs
#: must be a multiple of.
BLOCKS = tuple(ChannelBlocks(size, align) for size in (4, 8, 16, 32) for align in (1, 4, 8, 16) if align <= size)

#: Blocks are believed in where they predict better than single channels by this factor, and more of a structure where
#: it predicts better than less by the other.
CONVINCING, WORTH_MORE = 0.95, 0.97

#: No network is predicted to take a smaller share of the full width's latency: a linear function may fall below zero.
SMALLEST = 1e-6


class TooFewMeasurements(ValueError):
    """Not enough measured networks or layers to fit a cost model."""


@dataclass(frozen=True)
class Observations:
    """What a cost model is fitted to; costs and ratios are shares of the full-width subnet's latency."""

    anchor_ms: float
    layers: tuple[MeasuredLayer, ...]
    networks: tuple[tuple[Architecture, float], ...]


@dataclass(frozen=True)
class Prediction:
    """Predicted milliseconds, with the interval in which 95% of measurements are expected."""

    ms: float
    low_ms: float
    high_ms: float


class CostModel:
    """Predicts the latency of any architecture of one space, for the device and settings it was fitted on."""

    def __init__(self, table: LayerTable, seen: Observations) -> None:
        """Fit. Raises TooFewMeasurements where a kind of layer or enough networks are missing."""
        missing = [kind.name for kind in table.kinds if kind not in {layer.kind for layer in seen.layers}]
        if missing:
            raise TooFewMeasurements(f"no layer was measured of: {', '.join(missing)}")
        if len({arch for arch, _ in seen.networks}) < LEAST_NETWORKS:
            raise TooFewMeasurements(
                f"a cost model needs at least {LEAST_NETWORKS} different networks, got {len(seen.networks)}"
            )
        self.seen = seen
        self.anchor_ms = seen.anchor_ms
        self._table = table
        with threadpool_limits(limits=1, user_api="blas"):  # more threads make matrices this small slow
            #: In which blocks the device computes channels.
            self.blocks = self._best_blocks()
            self._features, self._scale, self._fit = self._fitted(self.blocks)
        rates = self._fit.rates * self._scale
        self._constant = float(rates[0])
        self._layer_costs = self._features.layer_costs(rates)
        self._weights_cost = self._features.weights_cost(rates)

    def _best_blocks(self) -> ChannelBlocks:
        """Return the blocks that predict what is left out best: layers and networks count alike.

        Layers alone are deceived by what two threads share, networks alone cannot tell where they scatter.
        """

        def error(blocks: ChannelBlocks) -> float:
            networks = self._fitted(blocks, RIDGES[::3], rounds=1)[2].error
            return float(np.sqrt(networks * held_out_layers(self.seen.layers, blocks)))

        errors = {blocks: error(blocks) for blocks in BLOCKS}
        best = next(blocks for blocks in BLOCKS if WORTH_MORE * errors[blocks] <= min(errors.values()))
        single = ChannelBlocks(1)
        return best if errors[best] <= CONVINCING * error(single) else single

    def _fitted(
        self, blocks: ChannelBlocks, ridges: Sequence[float] = RIDGES, rounds: int = 3
    ) -> tuple[NetworkFeatures, Floats, Regression]:
        """Return the features, what they are scaled by, and the fit."""
        archs = [arch for arch, _ in self.seen.networks]
        ratios = np.array([ratio for _, ratio in self.seen.networks])
        weights = np.sort(self._table.weights(self._table.widths(archs)))
        knots = [knot for knot in KNOTS if weights[0] < knot < weights[-LEAST_NETWORKS]]
        features = NetworkFeatures(self._table, blocks, knots)
        raw = features(archs)
        # Of unit mean square, relative to the latency: one ridge then means the same for every rate.
        scale = 1 / np.sqrt(((raw / ratios[:, None]) ** 2).mean(axis=0) + 1e-18)
        prior = features.prior(self.seen.layers) / scale
        return features, scale, Regression.fit(raw * scale / ratios[:, None], prior, ridges, rounds)

    @property
    def spread(self) -> float:
        """Standard deviation of a measurement about a perfect prediction, relative, as leaving one out shows it."""
        return self._fit.noise

    def predict_ms(self, arch: Architecture) -> float:
        """Return the predicted latency in milliseconds, in microseconds: layers seen before are remembered."""
        widths = self._table.layer_widths(arch)
        ratio = self._constant + sum(cost(*own) for cost, own in zip(self._layer_costs, widths, strict=True))
        ratio += self._weights_cost(self._table.weights_of(widths))
        return max(ratio, SMALLEST) * self.anchor_ms

    def predict_all_ms(self, archs: Sequence[Architecture]) -> Floats:
        """Return the predicted latencies in milliseconds [architectures]."""
        ratios: Floats = (self._features(archs) * self._scale) @ self._fit.rates
        return np.maximum(ratios, SMALLEST) * self.anchor_ms

    def uncertainty(self, archs: Sequence[Architecture]) -> Floats:
        """Return the relative standard error of every prediction [architectures], measurement noise apart."""
        scaled = self._features(archs) * self._scale
        ratios = np.maximum(scaled @ self._fit.rates, SMALLEST)
        return self._fit.standard_error(scaled / ratios[:, None])

    def differences_ms(self, first: Sequence[Architecture], second: Sequence[Architecture]) -> tuple[Floats, Floats]:
        """Return what each of `second` takes longer than its like in `first`, and the standard error of that."""
        scaled = (self._features(second) - self._features(first)) * self._scale
        longer: Floats = scaled @ self._fit.rates * self.anchor_ms
        return longer, self._fit.standard_error(scaled) * self.anchor_ms

    def predict(self, arch: Architecture) -> Prediction:
        """Return the predicted latency with its 95% interval for a measurement of it."""
        ms = self.predict_ms(arch)
        with np.errstate(over="ignore"):  # where the model fails nothing is excluded: zero to infinity
            factor = np.exp(self._fit.quantile * np.hypot(self.uncertainty([arch])[0], self._fit.noise))
        return Prediction(ms, float(ms / factor), float(ms * factor))
