"""Channels in the order of their importance, so that the leading part of a layer is what matters most of it.

Slimmable networks keep the first channels of every layer; in a network that was trained at one width these are any.
Once-for-all (Cai et al., ICLR 2020, section 3.3, and its code) sorts channels by the L1 norm of the weights that read
them before it trains narrower ones. Batch-norm lets a channel's scale stand on either side of a ReLU, in its own gamma
and beta (Liu et al., Network Slimming, ICCV 2017, ranks by gamma) or in the weights that read it, so the measure
here is the product, which does not depend on where:

    importance(c) = sqrt(sum_p gamma_pc^2 + (sum_p beta_pc)^2) * sum_r L1(W_r[:, c]) / mean_c L1(W_r[:, c])

over the layers p that write the channel (one, or all that a residual sum adds up) and the layers r that read it, each
of which has the same say. The first factor is the root mean square of the sum of normalised, independent values.
"""

from __future__ import annotations

import torch
from torch import Tensor

from harness.bank.layers import Layer, SlimmableBatchNorm2d
from harness.bank.model_bank import ModelBank


@torch.no_grad()
def sort_channels(bank: ModelBank) -> None:
    """Sort the channels of every width of the bank by importance; what the full-width network computes stays as it is.

    Channels that a residual sum ties together go together.
    """
    for slot in bank.space.free:
        writers, readers = _writers(bank, slot), _readers(bank, slot)
        order = _importance(_last(writers), readers).argsort(descending=True, stable=True)
        for layer in writers:
            assert layer.norm is not None
            layer.module.weight.copy_(layer.module.weight[order])
            _reorder(layer.norm, order)
        for weight in readers:
            weight.copy_(weight[:, order])


def _importance(writers: list[Layer], readers: list[Tensor]) -> Tensor:
    norms = [layer.norm for layer in writers if layer.norm is not None]
    scale = torch.stack([norm.weight for norm in norms]).square().sum(dim=0)
    shift = torch.stack([norm.bias for norm in norms]).sum(dim=0).square()
    norms_read = [weight.abs().transpose(0, 1).flatten(1).sum(dim=1) for weight in readers]
    return (scale + shift).sqrt() * torch.stack([norm / norm.mean() for norm in norms_read]).sum(dim=0)


def _tied(bank: ModelBank, slot: int) -> set[int]:
    """Return the slots that have the channels of a free one."""
    return {slot, *(index for index, other in enumerate(bank.space.slots) if other.tied_to == slot)}


def _writers(bank: ModelBank, slot: int) -> list[Layer]:
    return [layer for layer in bank.layers() if layer.outputs in _tied(bank, slot)]


def _last(writers: list[Layer]) -> list[Layer]:
    """Return the depthwise convolution, where one lies between what writes the channels and what reads them."""
    return [layer for layer in writers if layer.depthwise] or writers


def _readers(bank: ModelBank, slot: int) -> list[Tensor]:
    """Return the weights whose second dimension is the channels of the slot; of the heads, all.

    A depthwise convolution has no such dimension: its filters go with the channels that it writes.
    """
    tied = _tied(bank, slot)
    *backbone, classifier = bank.layers()
    found = [layer.module.weight for layer in backbone if layer.inputs in tied and not layer.depthwise]
    if classifier.inputs in tied:
        found += [head.weight for head in bank.heads.each()]
    return found


def _reorder(norm: SlimmableBatchNorm2d, order: Tensor) -> None:
    for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        assert value is not None
        value.copy_(value[order])
