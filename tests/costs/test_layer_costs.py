"""Rates of single layers: what was measured comes back, and nothing costs less than nothing."""

from __future__ import annotations

import numpy as np
import pytest

from harness.costs import LayerKind, MeasuredLayer
from harness.costs.channel_blocks import ChannelBlocks
from harness.costs.layer_costs import layer_rates, predicted_costs

WIDE, NARROW = (LayerKind((3, 3), (1, 1), (1, 1), (size, size)) for size in (14, 7))


def measured(noise: float) -> list[MeasuredLayer]:
    rng = np.random.default_rng(0)

    def layer(kind: LayerKind, inputs: int, outputs: int) -> MeasuredLayer:
        exact = (5 if kind == WIDE else 1) * (2 + -(-inputs // 16) * -(-outputs // 16))
        return MeasuredLayer(kind, inputs, outputs, float(exact * np.exp(noise * rng.standard_normal())))

    return [layer(kind, int(i), int(o)) for i, o in rng.integers(1, 25, (60, 2)) * 8 for kind in (WIDE, NARROW)]


def test_layers_are_predicted_by_the_blocks_that_they_are_computed_in() -> None:
    layers = measured(0.0)
    costs = [layer.cost for layer in layers]
    np.testing.assert_allclose(predicted_costs(layers, ChannelBlocks(16)), costs, rtol=1e-6)
    assert np.abs(predicted_costs(layers, ChannelBlocks(1)) / costs - 1).mean() > 0.05


@pytest.mark.parametrize("blocks", [ChannelBlocks(1), ChannelBlocks(16, 4)])
def test_no_layer_is_predicted_to_cost_less_than_nothing(blocks: ChannelBlocks) -> None:
    rates = layer_rates(measured(0.5), blocks)
    assert rates.keys() == {WIDE, NARROW}
    assert all((own >= 0).all() and own.any() for own in rates.values())
