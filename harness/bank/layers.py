"""Slimmable layers: the weights of a full layer, of which any leading part can run.

The number of inputs is read off the arriving tensor, so only outputs need to be named. Each layer can `cut` the part
that runs out of itself as an ordinary PyTorch layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.bank.shared_norm import Total, shared_batch_norm
from harness.space import Architecture

#: Batch-norm layer name -> (mean, biased variance) of one subnet, each of shape [channels].
Statistics = dict[str, tuple[Tensor, Tensor]]


@dataclass
class Normalisation:
    """Which mean and variance the batch-norm layers use in one forward pass.

    `given` None means those of the batch itself (METHOD section 4: training, re-estimation, one-pass scoring);
    `recorded`, where present, is filled with them on the way. `total`, where present, adds up a tensor over the
    processes that hold a part of the batch each; in training alone.
    """

    given: Statistics | None = None
    recorded: Statistics | None = None
    total: Total | None = None


class SlimmableConv2d(nn.Conv2d):
    """A convolution without bias that runs its first `out_channels` filters over the channels that arrive."""

    def forward(self, input: Tensor, out_channels: int | None = None) -> Tensor:
        """Map [N, c_in, H, W] to [N, out_channels, H', W'] with `weight[:out_channels, :c_in]`."""
        weight = self.weight[:out_channels, : input.shape[1]]
        if self.kernel_size == (1, 1) and self.stride != (1, 1) and torch.is_grad_enabled():
            # The same as a strided convolution. In that, channels last and with fewer channels than a vector holds,
            # oneDNN 3.12 writes weight gradients beyond its buffer (its issue 6035): wrong ones, a hang or a crash.
            down, across = self.stride
            return F.conv2d(input[:, :, ::down, ::across], weight)
        return F.conv2d(input, weight, None, self.stride, self.padding)

    def cut(self, in_channels: int, out_channels: int) -> nn.Conv2d:
        """Return the running part as an ordinary convolution with weights of its own."""
        weight = self.weight.detach()[:out_channels, :in_channels].clone()
        kernel, stride, padding = (_pair(value) for value in (self.kernel_size, self.stride, self.padding))
        plain = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False, device="meta")
        plain.weight = nn.Parameter(weight)
        return plain


class SlimmableDepthwiseConv2d(nn.Conv2d):
    """A convolution of every channel by a filter of its own: it runs on as many channels as arrive."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Map [N, c, H, W] to [N, c, H', W'] with `weight[:c]`."""
        channels = input.shape[1]
        return F.conv2d(input, self.weight[:channels], None, self.stride, self.padding, groups=channels)

    def cut(self, channels: int) -> nn.Conv2d:
        """Return the running part as an ordinary convolution with weights of its own."""
        kernel, stride, padding = (_pair(value) for value in (self.kernel_size, self.stride, self.padding))
        plain = nn.Conv2d(channels, channels, kernel, stride, padding, groups=channels, bias=False, device="meta")
        plain.weight = nn.Parameter(self.weight.detach()[:channels].clone())
        return plain


class SlimmableBatchNorm2d(nn.BatchNorm2d):
    """Batch-norm over the channels that arrive; its running buffers belong to the full-width subnet alone.

    `name` is the layer's key in `Statistics`; the backbone sets it.
    """

    name: str = ""

    def forward(self, input: Tensor, normalisation: Normalisation | None = None) -> Tensor:
        """Normalise [N, c, H, W] with given statistics, or else with the batch's own."""
        normalisation = normalisation or Normalisation()
        channels = input.shape[1]
        weight, bias = self.weight[:channels], self.bias[:channels]
        if normalisation.given is not None:
            mean, variance = normalisation.given[self.name]
            return F.batch_norm(input, mean, variance, weight, bias, False, 0.0, self.eps)
        if normalisation.recorded is not None:
            # The kernel hands back what it normalised with; asking for it apart would cost more than the layer itself.
            output, mean, deviation = torch.native_batch_norm(input, weight, bias, None, None, True, 0.0, self.eps)
            normalisation.recorded[self.name] = (mean, deviation.pow(-2).sub(self.eps).clamp_min(0.0))
            return output
        if normalisation.total is not None:
            return shared_batch_norm(input, weight, bias, self.eps, normalisation.total)
        return F.batch_norm(input, None, None, weight, bias, True, 0.0, self.eps)

    def cut(self, channels: int, statistics: Statistics) -> nn.BatchNorm2d:
        """Return the running part as an ordinary batch-norm that holds the subnet's own statistics."""
        plain = nn.BatchNorm2d(channels, eps=self.eps, device=self.weight.device, dtype=self.weight.dtype)
        mean, variance = statistics[self.name]
        plain.load_state_dict(
            {
                "weight": self.weight.detach()[:channels],
                "bias": self.bias.detach()[:channels],
                "running_mean": mean,
                "running_var": variance,
                "num_batches_tracked": torch.tensor(0),
            }
        )
        return plain


class SlimmableLinear(nn.Linear):
    """A classifier head: as many inputs as arrive, always all outputs."""

    def forward(self, input: Tensor) -> Tensor:
        """Map [N, f] to [N, classes] with `weight[:, :f]`."""
        return F.linear(input, self.weight[:, : input.shape[1]], self.bias)

    def cut(self, in_features: int) -> nn.Linear:
        """Return the running part as an ordinary linear layer."""
        plain = nn.Linear(in_features, self.out_features, device="meta")
        plain.weight = nn.Parameter(self.weight.detach()[:, :in_features].clone())
        plain.bias = nn.Parameter(self.bias.detach().clone())
        return plain


@dataclass(frozen=True)
class Layer:
    """One weighted layer of a backbone or head, and which widths of an architecture it follows.

    `name` is its name in a cut, `norm` the batch-norm right after it. `inputs` and `outputs` are indices into an
    architecture; None where the width is fixed (image channels, classes).
    """

    name: str
    module: SlimmableConv2d | SlimmableDepthwiseConv2d | SlimmableLinear
    norm: SlimmableBatchNorm2d | None
    inputs: int | None
    outputs: int | None

    @property
    def depthwise(self) -> bool:
        """Whether an output reads one input alone, that of its own channel."""
        return isinstance(self.module, SlimmableDepthwiseConv2d)

    def widths(self, arch: Architecture) -> tuple[int, int]:
        """Return the input and output channels that run in the subnet `arch`."""
        full_outputs, full_inputs = self.module.weight.shape[:2]
        return (
            full_inputs if self.inputs is None else arch[self.inputs],
            full_outputs if self.outputs is None else arch[self.outputs],
        )


def _pair(value: str | tuple[int, ...]) -> tuple[int, int]:
    assert not isinstance(value, str), "slimmable convolutions pad by numbers"
    height, width = value
    return int(height), int(width)
