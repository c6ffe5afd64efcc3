"""Batch-norm over a batch whose images are spread over several processes, on any kind of device.

`torch.nn.SyncBatchNorm` computes the same, but on GPUs alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

#: Returns the sum of a tensor over all processes; it may be computed in place.
Total = Callable[[Tensor], Tensor]

PIXELS = (0, 2, 3)


def shared_batch_norm(input: Tensor, weight: Tensor, bias: Tensor, eps: float, total: Total) -> Tensor:
    """Normalise this process's images [N, c, H, W] with mean and biased variance over those of all processes.

    Gradients are those of one batch-norm over all images; of `weight` and `bias`, this process's summands.
    """
    output: Tensor = _SharedBatchNorm.apply(input, weight, bias, eps, total)
    return output


class _SharedBatchNorm(torch.autograd.Function):
    """Keeps the input alone for the way back, as the kernel for one process does."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor, eps: float, total: Total) -> Tensor:
        """Add up counts, sums and sums of squares, in float64: there is nothing left to cancel."""
        count = input.numel() // input.shape[1]
        variance, mean = torch.var_mean(input.float(), dim=PIXELS, correction=0)
        mean, variance = mean.double(), variance.double()
        moments = total(torch.cat([mean, variance + mean.square(), mean.new_ones(1)]) * count)
        everything = moments[-1]
        mean, square = (moments[:-1] / everything).chunk(2)
        variance = (square - mean.square()).clamp_min(0.0).to(weight)
        mean = mean.to(weight)
        ctx.save_for_backward(input, weight, mean, (variance + eps).rsqrt(), everything)
        ctx.total = total
        return F.batch_norm(input, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """Batch-norm's gradient (Ioffe & Szegedy 2015, section 3), its two means taken over all processes."""
        input, weight, mean, inverse, everything = ctx.saved_tensors
        gradient = gradients[0].float()
        normalised = (input.float() - mean.view(1, -1, 1, 1)) * inverse.view(1, -1, 1, 1)
        of_bias, of_weight = gradient.sum(PIXELS), (gradient * normalised).sum(PIXELS)
        means = ctx.total(torch.cat([of_bias, of_weight]).double()) / everything
        mean_bias, mean_weight = (part.to(weight).view(1, -1, 1, 1) for part in means.chunk(2))
        scale = (weight * inverse).view(1, -1, 1, 1)
        of_input = (gradient - mean_bias - normalised * mean_weight) * scale
        return of_input.to(input.dtype), of_weight, of_bias, None, None
