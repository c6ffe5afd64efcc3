"""Channel blocks: features that are steps where a device computes in blocks, and linear where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.costs import LayerKind, MeasuredLayer
from harness.costs.channel_blocks import ChannelBlocks
from harness.costs.layer_costs import LayerCosts

KIND = LayerKind((3, 3), (1, 1), (1, 1), (14, 14))


@given(st.integers(1, 300), st.integers(1, 300))
def test_widths_within_one_block_of_outputs_differ_in_nothing_but_the_channels_written(
    inputs: int, outputs: int
) -> None:
    blocks = ChannelBlocks(16, 4, 4)
    inputs = inputs if inputs < 16 else inputs * 4  # what the kernel of blocks takes
    rounded = -(-outputs // 16) * 16
    features = blocks.features(np.array([[inputs, outputs], [inputs, rounded]]))
    linear = [10 + 1, 10 + 2]  # after the steps, alone and by blocks of inputs: inputs, outputs, inputs x outputs
    steps = np.delete(features, linear, axis=1)
    np.testing.assert_array_equal(steps[0], steps[1])


def test_features_are_finite_from_one_channel_to_thousands() -> None:
    widths = np.array([[1, 1], [3, 64], [2048, 512]])
    for blocks in (ChannelBlocks(1), ChannelBlocks(4), ChannelBlocks(32, 4, 16)):
        features = blocks.features(widths)
        assert len(features) == 3
        assert np.isfinite(features).all()


def measured(size: int, group: int, noise: float = 0.02) -> list[MeasuredLayer]:
    """Layers whose cost is that of whole groups of blocks, as a kernel's loop has it."""
    rng = np.random.default_rng(0)
    found = []
    for inputs, outputs in rng.integers(1, 25, (120, 2)) * 8:
        in_blocks, out_blocks = -(-inputs // size), -(-outputs // size)
        full, rest = divmod(out_blocks, group)
        cost = 5 + in_blocks * (full * group * 0.9 + rest * 1.2)
        found.append(
            MeasuredLayer(KIND, int(inputs), int(outputs), float(cost * np.exp(noise * rng.standard_normal())))
        )
    return found


@pytest.mark.parametrize(("size", "group"), [(16, 4), (32, 1), (16, 2)])
def test_the_blocks_of_a_device_are_found_in_noisy_measurements(size: int, group: int) -> None:
    costs = LayerCosts.fit(measured(size, group))
    assert costs.blocks == ChannelBlocks(size, group)
    assert costs.held_out < 0.04


def test_a_kernel_for_inputs_that_are_no_multiple_is_found_too() -> None:
    rng = np.random.default_rng(2)
    layers = []
    for inputs, outputs in rng.integers(1, 60, (160, 2)) * 2:
        blocked = 5 + 0.8 * -(-inputs // 16) * -(-outputs // 16)
        cost = blocked if inputs % 4 == 0 or inputs < 16 else 7 + 0.006 * inputs * outputs
        layers.append(
            MeasuredLayer(KIND, int(inputs), int(outputs), float(cost * np.exp(0.02 * rng.standard_normal())))
        )
    costs = LayerCosts.fit(layers)
    assert costs.blocks == ChannelBlocks(16, costs.blocks.group, 4)
    assert costs.held_out < 0.04


def test_where_every_channel_costs_no_blocks_are_believed_in() -> None:
    rng = np.random.default_rng(1)
    layers = [
        MeasuredLayer(KIND, int(i), int(o), float((5 + 0.01 * i * o) * np.exp(0.02 * rng.standard_normal())))
        for i, o in rng.integers(1, 200, (80, 2))
    ]
    assert LayerCosts.fit(layers).blocks == ChannelBlocks(1, 1)


def test_no_layer_is_predicted_to_cost_less_than_nothing() -> None:
    costs = LayerCosts.fit(measured(16, 4, noise=0.3))
    assert all((rates >= 0).all() for rates in costs.rates.values())
