"""Tiny real networks for tests."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SHAPE = (1, 1, 8, 8)


def write_network(path: Path, channels: int = 4, *, batch: int = 1, scale: float = 1.0) -> Path:
    """Write a convolution with pooling; input [batch, 1, 8, 8], output [batch, channels, 1, 1]; `scale` may be NaN."""
    weight = (scale * np.random.default_rng(channels).normal(0, 1, (channels, 1, 3, 3))).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "weight"], ["features"]),
            helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, *SHAPE[1:]])],
        [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [batch, channels, 1, 1])],
        [numpy_helper.from_array(weight, "weight")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def write_halved_network(path: Path, channels: int = 4) -> Path:
    """Write the convolution of `write_network` in float16, between casts from and to float32."""
    write_network(path, channels)
    model = onnx.load(path)
    graph = model.graph
    weight = numpy_helper.to_array(graph.initializer[0]).astype(np.float16)
    graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "weight"))
    nodes = [
        helper.make_node("Cast", ["image"], ["image_16"], to=TensorProto.FLOAT16),
        helper.make_node("Conv", ["image_16", "weight"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled_16"]),
        helper.make_node("Cast", ["pooled_16"], ["pooled"], to=TensorProto.FLOAT),
    ]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def write_quantised_network(path: Path, channels: int = 4) -> Path:
    """Write the convolution of `write_network` with its input and its weights in eight bits, as TensorRT wants them."""
    write_network(path, channels)
    model = onnx.load(path)
    graph = model.graph
    weight = numpy_helper.to_array(graph.initializer[0])
    scale = np.float32(np.abs(weight).max() / 127)
    constants = {
        "scale": np.float32(0.05),
        "weight_scale": scale,
        "zero": np.int8(0),
        "weight": weight,
    }
    del graph.initializer[:]
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["image_8"]),
        helper.make_node("DequantizeLinear", ["image_8", "scale", "zero"], ["image_32"]),
        helper.make_node("QuantizeLinear", ["weight", "weight_scale", "zero"], ["weight_8"]),
        helper.make_node("DequantizeLinear", ["weight_8", "weight_scale", "zero"], ["weight_32"]),
        helper.make_node("Conv", ["image_32", "weight_32"], ["features"]),
        *graph.node[1:],
    ]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def write_heavy(path: Path, megabytes: int) -> Path:
    """Write a network whose weights take so many megabytes; input [1, 1, 8, 8]."""
    width = megabytes * 10**6 // 4 // 64
    weight = np.random.default_rng(0).normal(size=(64, width)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], ["wide"]),
            helper.make_node("ReduceMax", ["wide"], ["out"], keepdims=1),
        ],
        "heavy",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 1])],
        [numpy_helper.from_array(weight, "weight")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
