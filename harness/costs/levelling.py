"""What a busy machine does to a whole process, taken out of single layers.

All that one process measures is held against the anchor beside it, and a neighbour on the machine may slow the anchor,
a whole network, by more than layers of microseconds: every layer in that process is then off by about one factor. Each
process has layers of every kind, so the factors can be told: they are the medians of its residuals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.costs.channel_blocks import ChannelBlocks, Floats
from harness.costs.layer_costs import MeasuredLayer, predicted_costs

#: Times that factors and fit take turns.
ROUNDS = 3

#: What layers are fitted with here: steps do not matter to the median of many.
PLAIN = ChannelBlocks(1)


def levelled_layers(processes: Sequence[Sequence[MeasuredLayer]]) -> tuple[MeasuredLayer, ...]:
    """Return the layers of all processes with every process's own factor taken out."""
    layers = [layer for process in processes for layer in process]
    numbers = np.repeat(np.arange(len(processes)), [len(process) for process in processes])
    costs = np.array([layer.cost for layer in layers])
    levelled = costs
    for _ in range(ROUNDS if len(processes) > 1 else 0):
        fitted = predicted_costs(
            [layer._replace(cost=cost) for layer, cost in zip(layers, levelled, strict=True)], PLAIN
        )
        levelled = costs / _factors(np.log(costs / fitted), numbers)
    return tuple(layer._replace(cost=float(cost)) for layer, cost in zip(layers, levelled, strict=True))


def _factors(residuals: Floats, numbers: NDArray[np.int64]) -> Floats:
    """Return the factor of the process that each residual belongs to; together they change nothing."""
    medians = np.array([np.median(residuals[numbers == number]) for number in range(int(numbers.max()) + 1)])
    factors: Floats = np.exp(medians - np.median(residuals))[numbers]
    return factors
