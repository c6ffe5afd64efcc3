"""Networks in fewer bits: valid files, that compute nearly the same, in a form that the engine they are for reads."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import ModelProto, TensorProto

from harness.export import Template, in_precision
from tests.bank.factory import images_for, lived_in_bank

CASES = [("fp16", False), ("int8", False), ("int8", True)]


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return images_for(lived_in_bank("resnet8"), 64)


@pytest.fixture(scope="module")
def model() -> bytes:
    bank = lived_in_bank("resnet8")
    arch = bank.space.uniform(0.5)
    return Template.create(bank, 2).subnet(bank, arch, bank.neutral_statistics(arch), {"about": "é"})


def answers(model: bytes, images: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: pair.numpy()})[0] for pair in torch.split(images, 2)])


@pytest.mark.parametrize(("precision", "for_tensorrt"), CASES)
def test_is_a_valid_file_that_answers_nearly_the_same(
    model: bytes, images: torch.Tensor, precision: str, for_tensorrt: bool
) -> None:
    converted = in_precision(model, precision, images, for_tensorrt=for_tensorrt)  # type: ignore[arg-type]
    found = ModelProto.FromString(converted)
    onnx.checker.check_model(found, full_check=True)
    assert {entry.key: entry.value for entry in found.metadata_props}["about"] == "é"
    assert [value.type.tensor_type.elem_type for value in (*found.graph.input, *found.graph.output)] == [
        TensorProto.FLOAT
    ] * 2
    theirs, ours = answers(model, images), answers(converted, images)
    np.testing.assert_allclose(ours, theirs, atol=(0.02 if precision == "fp16" else 0.2) * np.abs(theirs).max())


def integers_read(model: ModelProto) -> set[int]:
    """Return the types of the constants that nodes dequantise."""
    kinds = {weight.name: weight.data_type for weight in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type == "DequantizeLinear"]
    return {kinds[node.input[0]] for node in nodes if node.input[0] in kinds}


def test_onnx_runtime_is_given_weights_and_biases_in_integers_and_tensorrt_neither(
    model: bytes, images: torch.Tensor
) -> None:
    found = [ModelProto.FromString(in_precision(model, "int8", images, for_tensorrt=flag)) for flag in (False, True)]
    assert [integers_read(one) for one in found] == [{TensorProto.INT8, TensorProto.INT32}, set()]
