"""Exported subnets as files: their names, and writing them whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto

from harness.clauses import complaint
from harness.files import write_whole

#: Of an input or output: half a gigabyte.
MOST_ELEMENTS = 2**27


class SubnetFileError(ValueError):
    """An exported file that is damaged or not ours; the message says why in one sentence."""


def subnet_filename(arch_id: str, precision: str, batch_size: int) -> str:
    """Return the file name of an exported subnet."""
    return f"{arch_id}-{precision}-b{batch_size}.onnx"


def write_subnet(folder: Path, model: bytes, arch_id: str, *, precision: str = "fp32", batch_size: int = 1) -> Path:
    """Write a serialised model into `folder` (made if absent) under its name, and return its path."""
    path = folder / subnet_filename(arch_id, precision, batch_size)
    write_whole(path, model)
    return path


def read_subnet(path: Path) -> ModelProto:
    """Return the model in an exported file; SubnetFileError where there is none, or its weights lie elsewhere."""
    try:
        model: ModelProto = ModelProto.FromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise SubnetFileError(f"{path} is no exported subnet: {complaint(error)}") from error
    if len(model.graph.input) != 1 or len(model.graph.output) != 1:
        raise SubnetFileError(f"{path} is no exported subnet: it does not have one input and one output")
    if not all(isinstance(text, str) for text in _texts(model)):  # protobuf gives bytes for what is not UTF-8
        raise SubnetFileError(f"{path} is no exported subnet: a name in it is not text")
    if max(_elements(*model.graph.input), _elements(*model.graph.output)) > MOST_ELEMENTS:
        raise SubnetFileError(f"{path} is no exported subnet: its input or output is of more than 2^27 numbers")
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in _tensors(model.graph)):
        raise SubnetFileError(f"{path} is no exported subnet: its weights lie in another file")
    return model


def _elements(value: ValueInfoProto) -> int:
    return math.prod(max(1, size.dim_value) for size in value.type.tensor_type.shape.dim)


def _texts(model: ModelProto) -> Iterator[str]:
    yield from (opset.domain for opset in model.opset_import)
    for entry in model.metadata_props:
        yield from (entry.key, entry.value)
    yield from (named.name for named in (*model.graph.input, *model.graph.output, *model.graph.initializer))
    for node in model.graph.node:
        yield from (node.op_type, node.domain, *node.input, *node.output)


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from _tensors_of(attribute)


def _tensors_of(attribute: AttributeProto) -> Iterator[TensorProto]:
    yield from (attribute.t, *attribute.tensors)
    for graph in (attribute.g, *attribute.graphs):
        yield from _tensors(graph)
