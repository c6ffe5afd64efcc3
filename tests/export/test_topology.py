"""The topology key: the same for the same computation at the same shapes, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from harness.bank import ModelBank
from harness.export import Template, topology_key
from tests.bank.factory import images_for, lived_in_bank


@pytest.fixture(scope="module")
def bank() -> ModelBank:
    return lived_in_bank("resnet8")


@pytest.fixture(scope="module")
def model(bank: ModelBank) -> bytes:
    arch = bank.space.uniform(0.5)
    return Template.create(bank).subnet(bank, arch, bank.reestimate(images_for(bank, 4), arch))


def test_the_key_never_changes_because_stored_measurements_are_found_by_it() -> None:
    assert topology_key(_reshaped([2, 12])) == "2cb2327bc3d7a84cb16bfe111c8f424a66e5d25b6e418230520c4e98bcfe13f0"


def test_weights_statistics_metadata_and_names_do_not_count(model: bytes) -> None:
    other = lived_in_bank("resnet8", seed=1)
    arch = other.space.uniform(0.5)
    retrained = Template.create(other).subnet(other, arch, other.neutral_statistics(arch), {"provenance": "{}"})
    assert retrained != model
    assert topology_key(retrained) == topology_key(model)
    assert topology_key(_renamed(model)) == topology_key(model)


def test_any_other_width_batch_size_or_image_size_counts(bank: ModelBank, model: bytes) -> None:
    keys = {topology_key(model)}
    half = bank.space.uniform(0.5)
    for arch in bank.space.drops(half, 0.1):
        keys.add(topology_key(Template.create(bank).subnet(bank, arch, bank.neutral_statistics(arch))))
    keys.add(topology_key(Template.create(bank, 2).subnet(bank, half, bank.neutral_statistics(half))))
    assert len(keys) == 2 + len(bank.space.drops(half, 0.1))


def _stride(model: ModelProto) -> None:
    strides = next(a for a in model.graph.node[0].attribute if a.name == "strides")
    strides.ints[:] = [2, 2]


def _operator(model: ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Sigmoid"


def _wiring(model: ModelProto) -> None:
    add = next(node for node in model.graph.node if node.op_type == "Add")
    add.input[1] = add.input[0]


def _opset(model: ModelProto) -> None:
    model.opset_import[0].version = 18


def _type(model: ModelProto) -> None:
    model.graph.initializer[0].data_type = TensorProto.FLOAT16


@pytest.mark.parametrize("change", [_stride, _operator, _wiring, _opset, _type])
def test_every_part_of_the_computation_counts(model: bytes, change: Callable[[ModelProto], None]) -> None:
    changed = ModelProto.FromString(model)
    change(changed)
    assert topology_key(changed) != topology_key(model)


def test_shape_tensors_count_by_value() -> None:
    assert topology_key(_reshaped([2, 12])) != topology_key(_reshaped([12, 2]))


def _reshaped(shape: list[int]) -> ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "shape"], ["y"], allowzero=0)],
        "reshape",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.array(shape, np.int64), "shape")],
    )
    model: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model


def _renamed(serialised: bytes) -> ModelProto:
    """Rename every tensor and node, and store the initialisers in another order."""
    model: ModelProto = ModelProto.FromString(serialised)
    names: dict[str, str] = {}

    def new(name: str) -> str:
        return names.setdefault(name, f"t{len(names)}")

    graph = model.graph
    for node in graph.node:
        node.name = ""
        node.input[:] = [new(name) for name in node.input]
        node.output[:] = [new(name) for name in node.output]
    for named in [*graph.initializer, *graph.input, *graph.output]:
        named.name = new(named.name)
    tensors = [TensorProto.FromString(t.SerializeToString()) for t in graph.initializer]
    del graph.initializer[:]
    graph.initializer.extend(reversed(tensors))
    graph.name = "another"
    model.producer_name = "someone else"
    return model
