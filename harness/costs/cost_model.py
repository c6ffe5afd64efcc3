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

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

from harness.bank import Architecture
from harness.costs.channel_blocks import ChannelBlocks, Floats
from harness.costs.layer_costs import MeasuredLayer, held_out_layers, layer_rates
from harness.costs.layer_kinds import LayerTable

#: Networks that a model is fitted to, at least.
LEAST_NETWORKS = 8

#: Blocks that may be found, the simpler first: the vector widths of processors and the tiles of GPUs, and what inputs
#: must be a multiple of.
BLOCKS = tuple(ChannelBlocks(size, align) for size in (4, 8, 16, 32) for align in (1, 4, 8, 16) if align <= size)

#: Blocks are believed in where they predict better than single channels by this factor, and more of a structure where
#: it predicts better than less by the other.
CONVINCING, WORTH_MORE = 0.95, 0.97

#: How much the measured networks count against the prior: the grid from which leaving one out chooses.
RIDGES = tuple(10.0**power for power in np.arange(-4.5, 1.1, 0.5))

#: Weights in all at which a further one may begin to cost more (or less): a cache is full.
KNOTS = tuple(round(2 ** (power / 2)) for power in range(24, 57))

#: A network counts less where it is this many times further off than the typical one (Huber's rule).
HUBER = 2.5

LEVEL = 0.95

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


class NetworkFeatures:
    """What a network's latency is linear in.

    A constant, its layers' features by kind, its residual sums, and its weights in all beyond each of `knots`.
    """

    def __init__(self, table: LayerTable, blocks: ChannelBlocks, knots: Sequence[int]) -> None:
        self._table = table
        self._blocks = blocks
        self._knots = np.array(knots, float)
        self._sums = [own for layers in table.kinds.values() if (own := [i for i in layers if table.ends_block(i)])]

    def __call__(self, archs: Sequence[Architecture]) -> Floats:
        """Return the features [architectures, features]."""
        widths = self._table.widths(archs)
        columns = [np.ones((len(archs), 1))]
        for layers in self._table.kinds.values():
            flat = self._blocks.features(widths[:, layers].reshape(-1, 2))
            columns.append(flat.reshape(len(archs), len(layers), -1).sum(axis=1))
        columns += [widths[:, layers, 1].sum(axis=1, keepdims=True).astype(float) for layers in self._sums]
        columns.append(np.maximum(self._table.weights(widths)[:, None] - self._knots, 0))
        return np.concatenate(columns, axis=1)

    def prior(self, layers: Sequence[MeasuredLayer]) -> Floats:
        """Return the rates that single layers suggest: nothing for what is not of one layer."""
        found = layer_rates(layers, self._blocks)
        rates = (found[kind] for kind in self._table.kinds)
        return np.concatenate([np.zeros(1), *rates, np.zeros(len(self._sums) + len(self._knots))])

    def layer_costs(self, rates: Floats) -> list[Callable[[int, int], float]]:
        """Return for every layer what it costs at (input, output) channels."""
        count = self._blocks.features(np.ones((1, 2), np.int64)).shape[1]
        after = 1 + count * len(self._table.kinds)
        sums = dict(zip([tuple(own) for own in self._sums], rates[after : after + len(self._sums)], strict=True))
        per_output = {layer: float(rate) for own, rate in sums.items() for layer in own}
        found: dict[int, Callable[[int, int], float]] = {}
        for number, layers in enumerate(self._table.kinds.values()):
            own = rates[1 + number * count : 1 + (number + 1) * count]
            kind_cost = functools.cache(functools.partial(self._cost, own.tobytes()))
            for layer in layers:
                found[layer] = functools.partial(_with_sum, kind_cost, per_output.get(layer, 0.0))
        return [found[layer] for layer in sorted(found)]

    def weights_cost(self, rates: Floats) -> Callable[[int], float]:
        """Return what so many weights in all cost."""
        own = rates[len(rates) - len(self._knots) :]
        return lambda weights: float(np.maximum(weights - self._knots, 0) @ own)

    def _cost(self, rates: bytes, inputs: int, outputs: int) -> float:
        features = self._blocks.features(np.array([[inputs, outputs]], np.int64))
        return float(features[0] @ np.frombuffer(rates))


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
    ) -> tuple[NetworkFeatures, Floats, _Regression]:
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
        return features, scale, _Regression.fit(raw * scale / ratios[:, None], prior, ridges, rounds)

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


@dataclass(frozen=True)
class _Regression:
    """Ridge regression towards a prior on rows whose target is 1: relative errors."""

    rates: Floats
    inverse: Floats
    """(A'WA + ridge I)^-1 [features, features]."""
    residuals: Floats
    """Relative errors of rows that the fit leaves out, one at a time [rows]."""

    @classmethod
    def fit(cls, rows: Floats, prior: Floats, ridges: Sequence[float], rounds: int) -> _Regression:
        """Return the fit whose ridge predicts best what it leaves out; weights follow from it in `rounds`."""

        def weighted(ridge: float) -> _Regression:
            weights = np.ones(len(rows))
            for _ in range(rounds):
                found = cls._solve(rows, prior, ridge * len(rows), weights)
                off = np.abs(found.residuals)
                weights = np.minimum(1.0, HUBER * _typical(off) / np.maximum(off, 1e-12))
            return found

        return min((weighted(ridge) for ridge in ridges), key=lambda fit: fit.error)

    @classmethod
    def _solve(cls, rows: Floats, prior: Floats, ridge: float, weights: Floats) -> _Regression:
        weighted = rows * weights[:, None]
        inverse = np.asarray(np.linalg.inv(rows.T @ weighted + ridge * np.eye(rows.shape[1])), np.float64)
        rates: Floats = prior + inverse @ (weighted.T @ (1 - rows @ prior))
        leverage = ((rows @ inverse) * weighted).sum(axis=1)
        residuals: Floats = (rows @ rates - 1) / np.maximum(1 - leverage, 1e-6)
        return cls(rates, inverse, residuals)

    @cached_property
    def error(self) -> float:
        """Mean relative error of rows that the fit leaves out."""
        return float(np.abs(self.residuals).mean())

    @cached_property
    def noise(self) -> float:
        """The typical size of a residual, as the standard deviation of a normal one."""
        return _typical(np.abs(self.residuals))

    @cached_property
    def quantile(self) -> float:
        """Standard errors to either side that hold 95%: Student's, or what leaving one out needed if that is more."""
        needed = np.quantile(np.abs(self.residuals), LEVEL) / max(self.noise, 1e-12)
        return float(max(student.ppf((1 + LEVEL) / 2, len(self.residuals) - 1), min(needed, 10.0)))

    def standard_error(self, rows: Floats) -> Floats:
        leverage = ((rows @ self.inverse) * rows).sum(axis=1)
        spread: Floats = self.noise * np.sqrt(np.maximum(leverage, 0.0))
        return spread


def _typical(sizes: Floats) -> float:
    """Return the standard deviation that the median of absolute errors stands for, were they normal."""
    return float(max(np.median(sizes) / 0.6745, 1e-9))


def _with_sum(cost: Callable[[int, int], float], per_output: float, inputs: int, outputs: int) -> float:
    return cost(inputs, outputs) + per_output * outputs
