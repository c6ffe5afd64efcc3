"""A network of one layer, to measure by itself what the layer costs."""

from __future__ import annotations

from onnx import TensorProto, helper
from torch import nn

from harness.export.graph import GraphWriter
from harness.export.template import INPUT, IR_VERSION, OPSET, OUTPUT
from harness.export.wire import serialise


def single_layer(module: nn.Sequential, input_shape: tuple[int, ...], outputs: int, batch_size: int = 1) -> bytes:
    """Return `module`, which maps [N, *input_shape] to [N, outputs], as a serialised ONNX model."""
    writer = GraphWriter()
    writer.emit(module, "", INPUT)
    writer.nodes[-1].output[0] = OUTPUT
    graph = helper.make_graph(
        writer.nodes,
        "layer",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [batch_size, *input_shape])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [batch_size, outputs])],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="slimda-edge"
    )
    return serialise(model, [(name, value.detach().numpy()) for name, value in module.named_parameters()])
