"""The steps in which a layer's cost follows its channels.

Kernels compute channels in blocks, so that 24 channels may cost what 32 do. Inputs that do not fit a kernel, because
they are fewer than a block or not a multiple of some number, are computed by another. What a device does is measured,
not known beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class ChannelBlocks:
    """Channels are computed `size` at a time (1: every channel costs).

    Inputs of at least a block that are no multiple of `align` are left to a kernel without blocks.
    """

    size: int
    align: int = 1

    def __str__(self) -> str:
        if self.size == 1:
            return "single channels"
        unless = f", unless inputs are no multiple of {self.align}" if self.align > 1 else ""
        return f"blocks of {self.size} channels{unless}"

    def features(self, widths: Integers) -> Floats:
        """Return what a layer's cost is linear in [n, features], from its (input, output) channels [n, 2].

        By blocks: a fixed part and blocks of outputs, each alone and for every block of inputs. By the other kernels: a
        fixed part, inputs, outputs, and both multiplied. And the channels themselves, in and out, which are read and
        written, and the weights.
        """
        inputs, outputs = widths[:, 0].astype(float), widths[:, 1].astype(float)
        in_blocks, out_blocks = np.ceil(inputs / self.size), np.ceil(outputs / self.size)
        few = (inputs < self.size).astype(float)
        unaligned = (inputs % self.align != 0) * (1 - few)
        blocked = 1 - few - unaligned
        steps = [blocked, blocked * out_blocks]
        features = [*steps, *(in_blocks * step for step in steps), inputs, outputs, inputs * outputs]
        if self.size > 1:
            features += [few, few * inputs, few * out_blocks, few * inputs * out_blocks]
        if self.align > 1:
            features += [unaligned, unaligned * inputs, unaligned * outputs, unaligned * inputs * outputs]
        return np.stack(features, axis=1)
