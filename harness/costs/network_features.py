"""What a network's latency is linear in: its layers at their widths, and what only a whole network has."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from harness.bank import Architecture
from harness.costs.channel_blocks import ChannelBlocks, Floats
from harness.costs.layer_costs import MeasuredLayer, layer_rates
from harness.costs.layer_kinds import LayerTable

#: Weights in all at which a further one may begin to cost more (or less): a cache is full.
KNOTS = tuple(round(2 ** (power / 2)) for power in range(24, 57))


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


def _with_sum(cost: Callable[[int, int], float], per_output: float, inputs: int, outputs: int) -> float:
    return cost(inputs, outputs) + per_output * outputs
