"""Networks that want a part of themselves read from elsewhere on the machine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def weight_at(location: str) -> TensorProto:
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def _model(nodes: list[NodeProto], *initialisers: TensorProto) -> ModelProto:
    source, target = (helper.make_tensor_value_info(name, FLOAT, [4]) for name in "xy")
    graph = helper.make_graph(nodes, "external", [source], [target], list(initialisers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _add(result: str = "y") -> NodeProto:
    return helper.make_node("Add", ["x", "w"], [result])


def as_weight(location: str) -> ModelProto:
    return _model([_add()], weight_at(location))


def as_constant(location: str) -> ModelProto:
    return _model([helper.make_node("Constant", [], ["w"], value=weight_at(location)), _add()])


def as_constant_in_a_branch(location: str) -> ModelProto:
    result = helper.make_tensor_value_info("z", FLOAT, [4])
    branch = helper.make_graph([_add("z")], "branch", [], [result], [weight_at(location)])
    condition = numpy_helper.from_array(np.array(True), "c")
    return _model([helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)], condition)


FORMS: tuple[Callable[[str], ModelProto], ...] = (as_weight, as_constant, as_constant_in_a_branch)
LOCATIONS = ("../../weights", "/etc/passwd", "weights", "")
