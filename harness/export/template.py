"""The graph that all subnets of a bank share, to be filled with the weights of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper
from torch import Tensor

from harness.bank import Architecture, BankSpec, Layer, ModelBank, Statistics, arch_id, encode
from harness.export.graph import GraphWriter
from harness.export.wire import serialise
from harness.memory import keep_freed_memory

OPSET = 17
IR_VERSION = 8
INPUT, OUTPUT = "images", "logits"


@dataclass(frozen=True)
class Template:
    """Nodes, input and output of every subnet of one kind of bank, at one batch size.

    Widths appear in the weights alone (of a depthwise convolution, in its groups too), so a subnet is these nodes with
    its own weights: no tracing, and no weights held here. For latency, which depends on shapes alone, any bank will do
    - an untrained one included:

        bank = create_bank("resnet50", classes, (3, 224, 224))
        model = Template.create(bank).subnet(bank, arch, bank.neutral_statistics(arch))
    """

    spec: BankSpec
    batch_size: int
    model: ModelProto

    @classmethod
    def create(cls, bank: ModelBank, batch_size: int = 1) -> Template:
        """Return the template of the bank's subnets for `batch_size` images at a time."""
        if batch_size < 1:
            raise ValueError(f"the batch size must be positive, not {batch_size}")
        keep_freed_memory()
        smallest = bank.space.smallest
        cut = bank.cut(smallest, bank.neutral_statistics(smallest))
        writer = GraphWriter()
        writer.emit(cut, "", INPUT)
        writer.nodes[-1].output[0] = OUTPUT
        graph = helper.make_graph(
            writer.nodes,
            bank.spec.model,
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [batch_size, *bank.spec.input_shape])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [batch_size, len(bank.spec.classes)])],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="slimda-edge"
        )
        return cls(bank.spec, batch_size, model)

    @torch.no_grad()
    def subnet(
        self, bank: ModelBank, arch: Architecture, statistics: Statistics, metadata: Mapping[str, str] | None = None
    ) -> bytes:
        """Return the subnet as a serialised ONNX model, batch-norm folded with `statistics`.

        `metadata` (preprocessing, provenance) is added to what the subnet says of itself: model, widths, arch_id,
        classes. ValueError if the bank is not of this template's kind or the architecture not in its space.
        """
        if bank.spec != self.spec:
            raise ValueError(f"this template was made for {self.spec}, not for {bank.spec}")
        bank.space.validate(arch)
        about = {
            "model": bank.spec.model,
            "widths": encode(arch),
            "arch_id": arch_id(bank.spec.model, arch),
            "classes": json.dumps(bank.spec.classes),
        }
        model = ModelProto()
        model.CopyFrom(self.model)
        _set_groups(model, {layer.name: layer.widths(arch)[1] for layer in bank.layers() if layer.depthwise})
        helper.set_model_props(model, {**(metadata or {}), **about})
        weights: list[tuple[str, NDArray[np.float32]]] = []
        for layer in bank.layers():
            weight, bias = folded(layer, arch, statistics)
            weights += [(f"{layer.name}.weight", _array(weight)), (f"{layer.name}.bias", _array(bias))]
        return serialise(model, weights)


def _set_groups(model: ModelProto, groups: Mapping[str, int]) -> None:
    for node in model.graph.node:
        if node.name in groups:
            (attribute,) = (attribute for attribute in node.attribute if attribute.name == "group")
            attribute.i = groups[node.name]


def folded(layer: Layer, arch: Architecture, statistics: Statistics) -> tuple[Tensor, Tensor]:
    """Return the weight [out, in, ...] and bias [out] of a layer with the batch-norm after it folded in.

    With s = gamma / sqrt(variance + eps): weight * s and beta - mean * s (convolutions have no bias of their own).
    s is computed in float64, so that folding rounds each weight once or twice and nothing more.
    """
    inputs, outputs = layer.widths(arch)
    weight = layer.module.weight[:outputs, :inputs]
    if layer.norm is None:
        assert layer.module.bias is not None
        return weight, layer.module.bias
    mean, variance = (value.to(weight.device, torch.float64) for value in statistics[layer.norm.name])
    scale = layer.norm.weight[:outputs].double() / torch.sqrt(variance + layer.norm.eps)
    bias = layer.norm.bias[:outputs].double() - mean * scale
    return weight * scale.to(weight.dtype).view(-1, 1, 1, 1), bias.to(weight.dtype)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.float().cpu().numpy()
