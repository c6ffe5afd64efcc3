"""The agent's own reader of ONNX files, against the onnx package."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from devices.agent.engines.contract import EngineError
from devices.agent.engines.onnx_file import FLOAT, FLOAT16, read
from harness.export import Template
from tests.bank.factory import lived_in_bank
from tests.devices.external import FORMS, LOCATIONS
from tests.devices.networks import write_halved_network, write_network, write_quantised_network
from tests.hostile import read_or_refused


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A subnet as it is exported, with everything that a subnet may have."""
    bank = lived_in_bank("resnet18")
    arch = bank.space.smallest
    path = tmp_path_factory.mktemp("exported") / "subnet.onnx"
    path.write_bytes(Template.create(bank).subnet(bank, arch, bank.neutral_statistics(arch), {"about": "é"}))
    return path


def test_an_exported_subnet_is_read_as_the_onnx_package_reads_it(exported: Path) -> None:
    found, model = read(str(exported)), onnx.load(exported)
    assert [(n.operator, n.name, n.inputs, n.outputs) for n in found.nodes] == [
        (n.op_type, n.name, list(n.input), list(n.output)) for n in model.graph.node
    ]
    for ours, theirs in zip(found.nodes, model.graph.node, strict=True):
        attributes = {a.name: helper.get_attribute_value(a) for a in theirs.attribute}
        assert {name: value or attributes[name] for name, value in ours.attributes.items()} == attributes
    assert list(found.weights) == [weight.name for weight in model.graph.initializer]
    for weight in model.graph.initializer:
        tensor = found.weights[weight.name]
        assert tensor.kind == FLOAT
        np.testing.assert_array_equal(
            np.frombuffer(tensor.data, "<f4").reshape(tensor.shape), numpy_helper.to_array(weight)
        )
    assert found.inputs == [("images", FLOAT, (1, 3, 32, 32))]
    assert found.outputs == [("logits", FLOAT, (1, 5))]
    assert not found.quantised
    assert not found.halved


def test_weights_among_the_inputs_open_sizes_and_other_forms_of_weights_are_understood(tmp_path: Path) -> None:
    """As older exporters write files: weights listed as inputs, floats one by one, batches of any size."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2, 3], [1, 2, 3, 4, 5, 6])
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["y"], alpha=0.5, transB=1)],
        "old",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3]),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [2, 3]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [weight],
    )
    onnx.save(helper.make_model(graph), tmp_path / "old.onnx")
    found = read(str(tmp_path / "old.onnx"))
    assert found.inputs == [("x", FLOAT, (0, 3))]
    assert found.nodes[0].attributes == {"alpha": 0.5, "transB": 1}
    np.testing.assert_array_equal(np.frombuffer(found.weights["w"].data, "<f4"), [1, 2, 3, 4, 5, 6])


def test_negative_and_missing_attributes_are_told_apart(tmp_path: Path) -> None:
    path = write_network(tmp_path / "network.onnx")
    model = onnx.load(path)
    model.graph.node[0].attribute.extend([helper.make_attribute("axis", -3), helper.make_attribute("axes", [-1, 2])])
    onnx.save(model, path)
    assert read(str(path)).nodes[0].attributes == {"axis": -3, "axes": [-1, 2]}


def test_quantised_layers_are_noticed(tmp_path: Path) -> None:
    assert read(str(write_quantised_network(tmp_path / "quantised.onnx"))).quantised
    assert not read(str(write_network(tmp_path / "plain.onnx"))).quantised


def test_half_precision_is_noticed(tmp_path: Path) -> None:
    found = read(str(write_halved_network(tmp_path / "halved.onnx")))
    assert found.halved
    assert found.weights["weight"].kind == FLOAT16
    assert not read(str(write_quantised_network(tmp_path / "quantised.onnx"))).halved


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path / "network.onnx", 64)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights", size_threshold=0)
    with pytest.raises(EngineError, match="its weights lie in another file"):
        read(str(path))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("location", LOCATIONS)
def test_weights_anywhere_else_are_refused_wherever_in_the_graph_they_are_wanted(
    tmp_path: Path, form: Callable[[str], onnx.ModelProto], location: str
) -> None:
    (tmp_path / "network.onnx").write_bytes(form(location).SerializeToString())
    with pytest.raises(EngineError, match=r"another file|is a graph"):
        read(str(tmp_path / "network.onnx"))


def test_sparse_weights_and_functions_are_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path / "network.onnx")
    model = onnx.load(path)
    model.graph.sparse_initializer.add()
    onnx.save(model, path)
    with pytest.raises(EngineError, match="its weights are sparse"):
        read(str(path))
    del model.graph.sparse_initializer[:]
    model.functions.add()
    onnx.save(model, path)
    with pytest.raises(EngineError, match="functions of its own"):
        read(str(path))


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x3a\x00", b"\x3a\x05\x0a\xff\xff\xff\x7f", b"\x3a\x7f"])
def test_what_is_no_network_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.onnx").write_bytes(content)
    with pytest.raises(EngineError, match="no ONNX network"):
        read(str(tmp_path / "broken.onnx"))


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no ONNX network"):
        read(str(tmp_path / "absent.onnx"))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    content = bytearray(write_network(folder / "whole.onnx").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] = data.draw(st.integers(0, 255))
    (folder / "damaged.onnx").write_bytes(content)
    read_or_refused(lambda: read(str(folder / "damaged.onnx")), EngineError)
