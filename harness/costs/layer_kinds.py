"""Layers that compute the same thing at different widths: what a latency is measured and modelled by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from harness.bank import Architecture, Layer, ModelBank, SlimmableLinear
from harness.costs.complexity import ChannelPairs, input_shapes

Widths = tuple[int, int]


@dataclass(frozen=True)
class LayerKind:
    """A layer but for its widths: two layers of one kind with the same channels cost the same.

    `kernel`, `stride` and `padding` are None of a linear layer; `size` is the (height, width) that it reads.
    """

    kernel: tuple[int, int] | None
    stride: tuple[int, int] | None
    padding: tuple[int, int] | None
    size: tuple[int, int]
    depthwise: bool = False

    @property
    def name(self) -> str:
        """What it is called in a report: 3x3/2 at 56x56, 3x3 depthwise at 28x28."""
        if self.kernel is None or self.stride is None:
            return "linear"
        step = f"/{self.stride[0]}" if max(self.stride) > 1 else ""
        kind = " depthwise" if self.depthwise else ""
        return f"{self.kernel[0]}x{self.kernel[1]}{step}{kind} at {self.size[0]}x{self.size[1]}"

    def file_name(self, inputs: int, outputs: int) -> str:
        """Return what a measured layer is filed under: conv3x3s2-56x56-64-128."""
        if self.kernel is None or self.stride is None:
            return f"linear-{inputs}-{outputs}"
        (height, width), (high, wide) = self.kernel, self.size
        kind = "depthwise" if self.depthwise else "conv"
        return f"{kind}{height}x{width}s{self.stride[0]}-{high}x{wide}-{inputs}-{outputs}"

    def module(self, inputs: int, outputs: int) -> nn.Sequential:
        """Return such a layer as a network of its own: the mean over positions keeps its answer small.

        A depthwise one has as many inputs as outputs.

        Its weights are the same every time, so that a device which compiles it knows it again.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self._module(inputs, outputs)

    def _module(self, inputs: int, outputs: int) -> nn.Sequential:
        if self.kernel is None or self.stride is None or self.padding is None:
            return nn.Sequential(nn.Linear(inputs, outputs))
        groups = outputs if self.depthwise else 1
        conv = nn.Conv2d(inputs, outputs, self.kernel, self.stride, self.padding, groups=groups)
        return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def input_shape(self, inputs: int) -> tuple[int, ...]:
        """Return the shape of what it reads, for one image."""
        return (inputs,) if self.kernel is None else (inputs, *self.size)


class LayerTable:
    """The layers of a bank's subnets by kind, and the channels that each runs with in any architecture."""

    def __init__(self, bank: ModelBank) -> None:
        self.space = bank.space
        self.layers = bank.layers()
        smallest = bank.space.smallest
        shapes = input_shapes(bank.cut(smallest, bank.neutral_statistics(smallest)), bank.spec.input_shape)
        found: dict[LayerKind, list[int]] = {}
        for index, layer in enumerate(self.layers):
            found.setdefault(_kind(layer, shapes[layer.name]), []).append(index)
        #: Indices of layers by kind, in forward order.
        self.kinds: dict[LayerKind, list[int]] = found
        # As in ComplexityCounter: fixed widths follow two slots appended to the architecture.
        count = len(smallest)
        self._fixed = [bank.spec.input_shape[0], len(bank.spec.classes)]
        self._inputs = np.array([count if layer.inputs is None else layer.inputs for layer in self.layers])
        self._outputs = np.array([count + 1 if layer.outputs is None else layer.outputs for layer in self.layers])
        self._pairs = ChannelPairs(self.layers)
        self._taps = [layer.module.weight[0, 0].numel() for layer in self.layers]

    def ends_block(self, index: int) -> bool:
        """Whether a layer's output is what a shortcut is added to."""
        layer = self.layers[index]
        inner = layer.outputs is not None and "inner" in self.space.slots[layer.outputs].name
        return ".branch." in layer.name and not inner

    def layer_widths(self, arch: Architecture) -> list[Widths]:
        """Return the input and output channels of every layer, in order."""
        return [layer.widths(arch) for layer in self.layers]

    def widths(self, archs: Iterable[Architecture]) -> NDArray[np.int64]:
        """Return the input and output channels of every layer [architectures, layers, 2]."""
        channels = np.array([[*arch, *self._fixed] for arch in archs], np.int64)
        return np.stack([channels[:, self._inputs], channels[:, self._outputs]], axis=2)

    def weights(self, widths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many weights networks of such `widths` have in all, biases apart [architectures]."""
        found: NDArray[np.int64] = self._pairs(widths) @ np.array(self._taps)
        return found

    def weights_of(self, widths: Sequence[Widths]) -> int:
        """Return the same of the `layer_widths` of one architecture."""
        found = zip(widths, self.layers, self._taps, strict=True)
        return sum((1 if layer.depthwise else inputs) * outputs * taps for (inputs, outputs), layer, taps in found)


def _kind(layer: Layer, shape: tuple[int, ...]) -> LayerKind:
    if isinstance(layer.module, SlimmableLinear):
        return LayerKind(None, None, None, (1, 1))
    module = layer.module
    assert not isinstance(module.padding, str), "slimmable convolutions pad by numbers"
    kernel, stride, padding = ((int(h), int(w)) for h, w in (module.kernel_size, module.stride, module.padding))
    return LayerKind(kernel, stride, padding, (shape[-2], shape[-1]), layer.depthwise)
