"""The ONNX nodes of a cut subnet.

Written from the cut itself rather than traced by `torch.onnx.export`: that exporter emits opset 18 and IR 10, its
conversion down to opset 17 fails on the pooling, it bakes widths into a Reshape, and the graph it makes - hence the
topology key that stored measurements hang on - changes with torch's version. A test holds that these nodes are those of
torch's own opset 17 export.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, helper, numpy_helper
from torch import nn

from harness.bank.plain import LinearResidual, Residual


class GraphWriter:
    """Collects the nodes of one module; a node's output carries the node's name."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []

    def emit(self, module: nn.Module, name: str, x: str) -> str:
        """Append the nodes that apply `module`, called `name`, to the tensor `x`; return the output's name.

        Batch-norm is taken as folded into the convolution before it. TypeError for a module with no rule.
        """
        match module:
            case nn.Sequential():
                for child_name, child in module.named_children():
                    x = self.emit(child, f"{name}.{child_name}" if name else child_name, x)
                return x
            case Residual():
                branch = self.emit(module.branch, f"{name}.branch", x)
                shortcut = self.emit(module.shortcut, f"{name}.shortcut", x)
                return self._node("Relu", f"{name}.relu", [self._node("Add", f"{name}.add", [branch, shortcut])])
            case nn.BatchNorm2d() | nn.Identity():
                return x
            case nn.Conv2d():
                return self._node(
                    "Conv",
                    name,
                    [x, f"{name}.weight", f"{name}.bias"],
                    dilations=module.dilation,
                    group=module.groups,
                    kernel_shape=module.kernel_size,
                    pads=_both_sides(module.padding),
                    strides=module.stride,
                )
            case LinearResidual():
                return self._node("Add", f"{name}.add", [self.emit(module.branch, f"{name}.branch", x), x])
            case nn.ReLU6():
                bounds = [self._constant(f"{name}.{end}", value) for end, value in (("least", 0.0), ("most", 6.0))]
                return self._node("Clip", name, [x, *bounds])
            case nn.ReLU():
                return self._node("Relu", name, [x])
            case nn.MaxPool2d():
                return self._node(
                    "MaxPool",
                    name,
                    [x],
                    ceil_mode=int(module.ceil_mode),
                    dilations=_pair(module.dilation),
                    kernel_shape=_pair(module.kernel_size),
                    pads=_both_sides(module.padding),
                    strides=_pair(module.stride),
                )
            case nn.AdaptiveAvgPool2d(output_size=1):
                return self._node("GlobalAveragePool", name, [x])
            case nn.Flatten(start_dim=1, end_dim=-1):
                return self._node("Flatten", name, [x], axis=1)
            case nn.Linear():
                return self._node("Gemm", name, [x, f"{name}.weight", f"{name}.bias"], alpha=1.0, beta=1.0, transB=1)
        raise TypeError(f"there is no ONNX rule for {type(module).__name__} ({name})")

    def _constant(self, name: str, value: float) -> str:
        return self._node("Constant", name, [], value=numpy_helper.from_array(np.array(value, np.float32)))

    def _node(self, operator: str, name: str, inputs: Sequence[str], **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else value


def _both_sides(padding: str | int | tuple[int, ...]) -> tuple[int, ...]:
    """Return ONNX pads (begin of every axis, then end) of PyTorch's symmetric padding."""
    if isinstance(padding, str):
        raise TypeError(f"padding by the word {padding!r} has no ONNX rule")
    return _pair(padding) * 2
