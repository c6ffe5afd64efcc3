"""The gradients of slimmable convolutions, at every small number of channels and in both memory formats."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from harness.bank.layers import SlimmableConv2d

WIDEST = 20  # past the 8 and 16 channels of a vector register


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["plain", "last"])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2)])
def test_gradients_are_those_of_double_precision(kernel: int, stride: int, memory_format: torch.memory_format) -> None:
    """A kernel of the library that writes past its buffers shows as wrong numbers here, or ends the process."""
    generator = torch.Generator().manual_seed(0)
    layer = SlimmableConv2d(WIDEST, WIDEST, kernel, stride, kernel // 2, bias=False).to(memory_format=memory_format)
    exact = layer.weight.detach().double().contiguous().requires_grad_()
    for channels in range(1, WIDEST + 1):
        images = torch.randn(8, channels, 8, 8, generator=generator)
        outputs = WIDEST + 1 - channels
        ours = images.contiguous(memory_format=memory_format).requires_grad_()
        double = images.double().requires_grad_()
        reference = F.conv2d(double, exact[:outputs, :channels], None, stride, kernel // 2)
        found = _gradients(layer(ours, outputs), ours, layer.weight)
        for one, other in zip(found, _gradients(reference, double, exact), strict=True):
            torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-5)


def _gradients(answer: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    """The answer itself, and the gradients of the mean of its squares."""
    return (answer.detach(), *torch.autograd.grad(answer.square().mean(), of))
