"""What of a graph its latency depends on, as a key: operators, attributes, wiring, shapes and types."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto


def topology_key(model: bytes | ModelProto) -> str:
    """Return the sha256 of a model's structure, as 64 hex digits.

    In it: operator sets; for every node, in order, its operator, attributes and wiring; shapes and types of inputs,
    outputs and initialisers. Not in it: the values of weights, any name, metadata, producer. Only int64 initialisers
    count by value, because they are shapes and axes, not weights.
    """
    proto = model if isinstance(model, ModelProto) else ModelProto.FromString(model)
    description = json.dumps(_describe(proto), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(description.encode()).hexdigest()


def _describe(model: ModelProto) -> dict[str, Any]:
    graph = model.graph
    numbers: dict[str, int] = {}

    def number(name: str) -> int:
        """Name a tensor by when it is first met; -1 for an optional input that is left out."""
        return numbers.setdefault(name, len(numbers)) if name else -1

    weights = {tensor.name: tensor for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    return {
        "operators": sorted([entry.domain, entry.version] for entry in model.opset_import),
        "inputs": [[number(value.name), _value(value)] for value in inputs],
        "nodes": [
            {
                "operator": [node.domain, node.op_type],
                "attributes": sorted(_attribute(attribute) for attribute in node.attribute),
                "inputs": [number(name) for name in node.input],
                "outputs": [number(name) for name in node.output],
            }
            for node in graph.node
        ],
        "initialisers": sorted([number(name), *_tensor(tensor)] for name, tensor in _used(graph, weights)),
        "outputs": [[number(value.name), _value(value)] for value in graph.output],
    }


def _used(graph: GraphProto, weights: dict[str, TensorProto]) -> list[tuple[str, TensorProto]]:
    """Return the initialisers that nodes read, in the order in which they are first read."""
    names = dict.fromkeys(name for node in graph.node for name in node.input if name in weights)
    return [(name, weights[name]) for name in names]


def _value(value: ValueInfoProto) -> list[Any]:
    tensor = value.type.tensor_type
    return [tensor.elem_type, [d.dim_value if d.HasField("dim_value") else "?" for d in tensor.shape.dim]]


def _tensor(tensor: TensorProto) -> list[Any]:
    value = tensor.raw_data.hex() or str(list(tensor.int64_data)) if tensor.data_type == TensorProto.INT64 else ""
    return [tensor.data_type, list(tensor.dims), value]


def _attribute(attribute: AttributeProto) -> str:
    plain = AttributeProto()
    plain.CopyFrom(attribute)
    plain.doc_string = ""
    return bytes(plain.SerializeToString(deterministic=True)).hex()
