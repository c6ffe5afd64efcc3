"""An ONNX file read without the onnx package, which few boards have: as much of it as the engines need.

The format is protobuf (https://protobuf.dev/programming-guides/encoding/): fields of a number, a wire type and a value;
the numbers are those of onnx.proto. Weights stay views into the mapped file until somebody looks at them.
"""

from __future__ import annotations

import mmap
import struct
from typing import Any, Iterator, NamedTuple

from .contract import EngineError

FLOAT, FLOAT16 = 1, 10  # of onnx.TensorProto
_QUANTISERS = {"QuantizeLinear", "DequantizeLinear"}
_GRAPHS, _TENSORS, _SPARSE = (6, 11), (10,), (22, 23)  # attributes that may bring weights, which no engine needs


class Tensor(NamedTuple):
    """A constant: `data` holds its elements as they lie in memory, little-endian, in the order of C."""

    kind: int
    """The number of its type in onnx.TensorProto."""
    shape: tuple[int, ...]
    data: Any


class Node(NamedTuple):
    """One operator; attributes are integers, floats, text, tensors, or lists of numbers."""

    operator: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


class Value(NamedTuple):
    """An input or output of the network; a size that the file leaves open is 0."""

    name: str
    kind: int
    shape: tuple[int, ...]


class Network(NamedTuple):
    """What a file holds."""

    nodes: list[Node]
    weights: dict[str, Tensor]
    inputs: list[Value]
    """Without the weights, which older files list among the inputs."""
    outputs: list[Value]

    def source(self) -> Value:
        """Return its one input; raises `EngineError` for a network of a form that engines do not run."""
        if len(self.inputs) != 1 or len(self.outputs) != 1:
            raise EngineError(
                "a network must have one input and one output, not %d and %d" % (len(self.inputs), len(self.outputs))
            )
        if self.inputs[0].kind != FLOAT or not all(size > 0 for size in self.inputs[0].shape):
            raise EngineError("the network's input must be float32 of a fixed shape")
        return self.inputs[0]

    @property
    def quantised(self) -> bool:
        """Whether integers take the place of floats somewhere in it."""
        return any(node.operator in _QUANTISERS for node in self.nodes)

    @property
    def halved(self) -> bool:
        """Whether weights are in float16."""
        return any(tensor.kind == FLOAT16 for tensor in self.weights.values())


def read(path: str) -> Network:
    """Return the network in a file; raises `EngineError` where it holds none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (its descriptor is all that is wanted)
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        parts = dict(_fields(content))
        if 25 in parts:
            raise ValueError("it has functions of its own")
        network = _network(parts[7])
    except KeyError:
        raise EngineError("the file is no ONNX network: it has no graph") from None
    except (OSError, ValueError, IndexError, TypeError, struct.error) as error:
        raise EngineError("the file is no ONNX network: %s" % error) from error
    return network


def _network(graph: Any) -> Network:
    network = Network([], {}, [], [])
    for number, value in _fields(graph):
        if number == 1:
            network.nodes.append(_node(value))
        elif number == 5:
            name, tensor = _tensor(value)
            network.weights[name] = tensor
        elif number == 15:
            raise ValueError("its weights are sparse")
        elif number == 11:
            network.inputs.append(_value(value))
        elif number == 12:
            network.outputs.append(_value(value))
    if not network.nodes or not network.outputs:
        raise ValueError("its graph is empty")
    network.inputs[:] = [value for value in network.inputs if value.name not in network.weights]
    return network


def _node(message: Any) -> Node:
    node: dict[int, list[Any]] = {}
    for number, value in _fields(message):
        node.setdefault(number, []).append(value)
    attributes = dict(_attribute(value) for value in node.get(5, []))
    inputs, outputs = ([_text(value) for value in node.get(number, [])] for number in (1, 2))
    return Node(_text(node[4][0]) if 4 in node else "", _text(node.get(3, [b""])[0]), inputs, outputs, attributes)


def _attribute(message: Any) -> tuple[str, Any]:
    name, found = "", None
    floats: list[float] = []
    integers: list[int] = []
    for number, value in _fields(message):
        if number == 1:
            name = _text(value)
        elif number == 2:
            found = struct.unpack("<f", value)[0]
        elif number == 3:
            found = _signed(value)
        elif number == 4:
            found = _text(value)
        elif number == 5:
            found = _tensor(value)[1]
        elif number == 7:
            floats += struct.unpack("<%df" % (len(value) // 4), value)
        elif number == 8:
            integers += _integers(value)
        elif number in (*_GRAPHS, *_TENSORS, *_SPARSE):
            raise ValueError("the attribute %.60r is a graph, or several tensors" % name)
    return name, found if found is not None else floats or integers


def _tensor(message: Any) -> tuple[str, Tensor]:
    name, kind, shape, data = "", 0, [], b""
    for number, value in _fields(message):
        if number == 1:
            shape += _integers(value)
        elif number == 2:
            kind = value
        elif number in (4, 9):  # float_data packed, raw_data: the same bytes
            data = value
        elif number == 8:
            name = _text(value)
        elif number == 14 and value:
            raise ValueError("its weights lie in another file")
    return name, Tensor(kind, tuple(shape), data)


def _value(message: Any) -> Value:
    name, kind, shape = "", 0, []
    for number, value in _fields(message):
        if number == 1:
            name = _text(value)
        elif number == 2:
            for type_number, tensor_type in _fields(value):
                if type_number != 1:
                    raise ValueError("%.60r is no tensor" % name)
                for part_number, part in _fields(tensor_type):
                    if part_number == 1:
                        kind = part
                    elif part_number == 2:
                        shape = [_size(size) for _, size in _fields(part)]
    return Value(name, kind, tuple(shape))


def _size(message: Any) -> int:
    return next((_signed(value) for number, value in _fields(message) if number == 1), 0)


def _fields(message: Any) -> Iterator[tuple[int, Any]]:
    """Yield the number and value of every field: an integer, or the bytes of whatever has a length or a fixed size."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, place = _varint(message, place)
            yield number, value
            continue
        if wire_type == 2:
            length, place = _varint(message, place)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise ValueError("a field has the unknown wire type %d" % wire_type)
        if place + length > len(message):
            raise ValueError("it breaks off")
        yield number, message[place : place + length]
        place += length


def _varint(message: Any, place: int) -> tuple[int, int]:
    """Return the integer at `place`, seven bits a byte from the lowest, and where it ends."""
    found = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found, place
    raise ValueError("an integer is too long")


def _integers(value: Any) -> list[int]:
    """Return the integers of a repeated field, which is one of them or several packed together."""
    if isinstance(value, int):
        return [_signed(value)]
    found, place = [], 0
    while place < len(value):
        number, place = _varint(value, place)
        found.append(_signed(number))
    return found


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _text(value: Any) -> str:
    if isinstance(value, int):
        raise ValueError("a text is a number")
    return bytes(value).decode("utf-8")
