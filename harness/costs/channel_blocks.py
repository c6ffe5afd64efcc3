"""The steps in which a layer's cost follows its channels.

Kernels compute channels in blocks, so that 24 channels may cost what 32 do, and several blocks of outputs at a time, so
that the fifth block may cost more than the fourth. Which blocks a device has is measured, not known beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class ChannelBlocks:
    """Channels are computed `size` at a time (1: every channel costs), and outputs `group` blocks at a time."""

    size: int
    group: int

    def __str__(self) -> str:
        if self.size == 1:
            return "single channels"
        return f"blocks of {self.size} channels" + (f", outputs {self.group} blocks at a time" * (self.group > 1))

    def features(self, widths: Integers) -> Floats:
        """Return what a layer's cost is linear in [n, features], from its (input, output) channels [n, 2].

        A fixed part, whole groups of outputs and what remains of one, each alone and for every block of inputs; what
        too few or unaligned inputs cost besides; and the channels themselves, in and out, which are read and written.
        """
        inputs, outputs = widths[:, 0].astype(float), widths[:, 1].astype(float)
        in_blocks, out_blocks = np.ceil(inputs / self.size), np.ceil(outputs / self.size)
        groups, rest = np.divmod(out_blocks, self.group)
        steps = [np.ones_like(inputs), groups, *(rest == r for r in range(1, self.group))]
        features = [*steps, *(in_blocks * step for step in steps), inputs, outputs, inputs * outputs]
        if self.size > 1:
            few, unaligned = inputs < self.size, inputs % self.size != 0
            features += [few, few * inputs, few * out_blocks, unaligned, unaligned * inputs]
        return np.stack([np.asarray(feature, np.float64) for feature in features], axis=1)


#: What may be found: every channel for itself, or the vector widths of processors and the tiles of GPUs.
POSSIBLE = (ChannelBlocks(1, 1), *(ChannelBlocks(size, group) for size in (4, 8, 16, 32) for group in (1, 2, 4)))
