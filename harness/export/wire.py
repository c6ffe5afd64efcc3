"""An ONNX model's bytes around weights that are copied once.

Protobuf's own serialiser copies every weight three times and grows its buffer as it goes, which for a ResNet-50 costs
several times as much as folding it. The format is simple enough to frame the weights directly:
https://protobuf.dev/programming-guides/encoding/ (a tag, a length, the bytes; repeated fields in any order).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto

Chunk = bytes | memoryview


def serialise(model: ModelProto, weights: Iterable[tuple[str, NDArray[np.float32]]]) -> bytes:
    """Return `model`, which has no initialisers, serialised with `weights` as its initialisers."""
    graph: list[Chunk] = [model.graph.SerializeToString()]
    for name, values in weights:
        graph += _field(GraphProto.INITIALIZER_FIELD_NUMBER, _tensor(name, values))
    rest = ModelProto()
    rest.CopyFrom(model)
    rest.ClearField("graph")
    return b"".join([rest.SerializeToString(), *_field(ModelProto.GRAPH_FIELD_NUMBER, graph)])


def _tensor(name: str, values: NDArray[np.float32]) -> list[Chunk]:
    head = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=values.shape).SerializeToString()
    data = np.ascontiguousarray(values, "<f4").reshape(-1).view(np.uint8).data
    return [head, *_field(TensorProto.RAW_DATA_FIELD_NUMBER, [data])]


def _field(number: int, content: list[Chunk]) -> list[Chunk]:
    """Frame a length-delimited field (wire type 2)."""
    return [_varint(number << 3 | 2) + _varint(sum(map(len, content))), *content]


def _varint(value: int) -> bytes:
    """Encode 7 bits a byte, lowest first, the high bit set on all but the last."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
