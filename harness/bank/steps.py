"""A residual backbone as a line of steps, for those who run many subnets that have their first widths in common."""

from __future__ import annotations

from dataclasses import dataclass

from harness.bank.layers import SlimmableBatchNorm2d, SlimmableConv2d


@dataclass(frozen=True)
class Step:
    """One convolution of the main line with its batch-norm and ReLU, and its part in a residual block.

    It runs on the first `arch[inputs]` channels of what the step before it gave. The step that `opens` a block gives
    its input to the shortcut, through `projection` where there is one; the step that `closes` it adds the shortcut
    before the ReLU. `block` is the index of the block's output width. Batch-norm is per channel, so the first channels
    of a step's result do not depend on how many there are.
    """

    conv: SlimmableConv2d
    norm: SlimmableBatchNorm2d
    inputs: int
    block: int
    projection: tuple[SlimmableConv2d, SlimmableBatchNorm2d] | None
    opens: bool
    closes: bool
