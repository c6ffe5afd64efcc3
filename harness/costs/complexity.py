"""Multiply-adds, parameters and activations of deployed subnets.

Deployed: batch-norm folded into the convolutions, one head; convolutions and linear layers count (DESIGN section 3).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from harness.bank import Layer, ModelBank
from harness.space import Architecture


class ChannelPairs:
    """How many (input, output) pairs of channels the layers of a bank join: of a depthwise one, its channels."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._depthwise = np.array([layer.depthwise for layer in layers])

    def __call__(self, widths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Map input and output channels [..., layers, 2] to pairs [..., layers]."""
        inputs, outputs = widths[..., 0], widths[..., 1]
        pairs: NDArray[np.int64] = np.where(self._depthwise, 1, inputs) * outputs
        return pairs


class ComplexityCounter:
    """Counts for any architecture of a bank, in microseconds, from one fvcore run over one subnet.

    A layer's multiply-adds are proportional to its inputs and to its outputs (depthwise: to its outputs), so fvcore's
    count of the smallest subnet per pair of channels, times those that run, is fvcore's count of any other - exactly,
    in integers.
    """

    def __init__(self, bank: ModelBank) -> None:
        self.space = bank.space
        layers = bank.layers()
        smallest = bank.space.smallest
        cut = bank.cut(smallest, bank.neutral_statistics(smallest)).cpu().float()
        counted = count_macs(cut, bank.spec.input_shape)
        self._pairs = ChannelPairs(layers)
        pairs = self._pairs(np.array([layer.widths(smallest) for layer in layers], np.int64))
        self.layer_names = tuple(layer.name for layer in layers)
        #: Multiply-adds of one image per (input, output) channel pair, by layer.
        self._per_pair = np.array([counted[name] for name in self.layer_names], np.int64) // pairs
        #: Weights per (input, output) channel pair: the kernel's area.
        self._kernel = np.array([layer.module.weight[0, 0].numel() for layer in layers], np.int64)
        read = input_numbers(cut, bank.spec.input_shape)
        #: Positions of one input channel of one image, by layer.
        self._input_area = np.array([read[name] for name in self.layer_names], np.int64) // np.array(
            [layer.widths(smallest)[0] for layer in layers], np.int64
        )
        # Fixed widths follow two slots appended to the architecture: image channels and classes.
        count = len(smallest)
        self._fixed = np.array([bank.spec.input_shape[0], len(bank.spec.classes)], np.int64)
        inputs = [count if layer.inputs is None else layer.inputs for layer in layers]
        outputs = [count + 1 if layer.outputs is None else layer.outputs for layer in layers]
        self._ends = np.array([inputs, outputs]).T

    def macs(self, arch: Architecture) -> int:
        """Return the multiply-adds of one image."""
        return int(self.layer_macs(arch).sum())

    def params(self, arch: Architecture) -> int:
        """Return the number of folded weights and biases."""
        return int(self.layer_params(arch).sum())

    def channels(self, arch: Architecture) -> int:
        """Return the number of output channels of all layers: that of folded biases."""
        return int(self._widths(arch)[:, 1].sum())

    def compute_fraction(self, arch: Architecture) -> float:
        """Return the multiply-adds as a fraction of the full-width subnet's."""
        return self.macs(arch) / self._full_macs

    def layer_macs(self, arch: Architecture) -> NDArray[np.int64]:
        """Return the multiply-adds of every layer for one image [layers]."""
        macs: NDArray[np.int64] = self._per_pair * self._pairs(self._widths(arch))
        return macs

    def layer_params(self, arch: Architecture) -> NDArray[np.int64]:
        """Return the folded weights and biases of every layer [layers]."""
        widths = self._widths(arch)
        return self._kernel * self._pairs(widths) + widths[:, 1]

    def layer_activations(self, arch: Architecture) -> NDArray[np.int64]:
        """Return how many numbers every layer writes for one image [layers]."""
        numbers: NDArray[np.int64] = self._per_pair // self._kernel * self._widths(arch)[:, 1]
        return numbers

    def layer_inputs(self, arch: Architecture) -> NDArray[np.int64]:
        """Return how many numbers every layer reads for one image, beside its weights [layers]."""
        numbers: NDArray[np.int64] = self._input_area * self._widths(arch)[:, 0]
        return numbers

    @cached_property
    def _full_macs(self) -> int:
        return self.macs(self.space.full)

    def _widths(self, arch: Architecture) -> NDArray[np.int64]:
        """Return the input and output channels of every layer [layers, 2]."""
        widths: NDArray[np.int64] = np.concatenate([np.asarray(arch, np.int64), self._fixed])[self._ends]
        return widths


def count_macs(module: nn.Module, input_shape: tuple[int, int, int]) -> dict[str, int]:
    """Return fvcore's multiply-adds of every submodule for one image, by name ("" for all): convolutions and linear.

    fvcore calls them flops, and its default total would also count batch-norm and pooling.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fvcore traces with torch.jit, which says on import and use that it is old
        from fvcore.nn import jit_handles
        from fvcore.nn.jit_analysis import JitModelAnalysis

        analysis = JitModelAnalysis(module, torch.zeros(1, *input_shape))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        analysis.set_op_handle("aten::_convolution", jit_handles.conv_flop_jit)
        analysis.set_op_handle("aten::addmm", jit_handles.addmm_flop_jit)
        analysis.set_op_handle("aten::linear", jit_handles.linear_flop_jit)
        return {name: int(count) for name, count in analysis.by_module().items()}


@torch.no_grad()
def input_shapes(module: nn.Module, input_shape: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
    """Return the shape that every convolution and linear layer reads for one image, by the layer's name."""
    names: dict[nn.Module, str] = {
        layer: name for name, layer in module.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))
    }
    found: dict[str, tuple[int, ...]] = {}

    def note(layer: nn.Module, inputs: tuple[torch.Tensor, ...], _: object) -> None:
        found[names[layer]] = tuple(inputs[0].shape[1:])

    handles = [layer.register_forward_hook(note) for layer in names]
    try:
        module(torch.zeros(1, *input_shape))
    finally:
        for handle in handles:
            handle.remove()
    return found


def input_numbers(module: nn.Module, input_shape: tuple[int, int, int]) -> dict[str, int]:
    """Return how many numbers every convolution and linear layer reads for one image, by the layer's name."""
    return {name: math.prod(shape) for name, shape in input_shapes(module, input_shape).items()}
