"""Channel blocks: features that are steps where a device computes in blocks, and linear where it does not."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.costs.channel_blocks import ChannelBlocks


@given(st.integers(1, 300), st.integers(1, 300))
def test_widths_within_one_block_of_outputs_differ_in_nothing_but_the_channels_written(
    inputs: int, outputs: int
) -> None:
    blocks = ChannelBlocks(16, 4)
    inputs = inputs if inputs < 16 else inputs * 4  # what the kernel of blocks takes
    rounded = -(-outputs // 16) * 16
    features = blocks.features(np.array([[inputs, outputs], [inputs, rounded]]))
    linear = [4 + 1, 4 + 2]  # after the steps, alone and by blocks of inputs: inputs, outputs, inputs x outputs
    steps = np.delete(features, linear, axis=1)
    np.testing.assert_array_equal(steps[0], steps[1])


def test_features_are_finite_from_one_channel_to_thousands() -> None:
    widths = np.array([[1, 1], [3, 64], [2048, 512]])
    for blocks in (ChannelBlocks(1), ChannelBlocks(4), ChannelBlocks(32, 16)):
        features = blocks.features(widths)
        assert len(features) == 3
        assert np.isfinite(features).all()
