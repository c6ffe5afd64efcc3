"""Networks in fewer bits: what is in the files, that they answer nearly alike, and that their costs are kept apart."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from devices import Precision
from harness.bank import ModelBank, load_bank
from harness.data import load_digits
from harness.export import IR_VERSION, OPSET, PrecisionError, Template, engine_logits, in_precision, topology_key
from tests.bank.factory import images_for, lived_in_bank
from tests.export.quantised import integers_read

REDUCED: tuple[Precision, ...] = ("fp16", "int8")

#: Runs a network on the images beside it, one by one.
ANSWER = """
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])
images = numpy.load("images.npy")
logits = [session.run(None, {session.get_inputs()[0].name: image[None]})[0] for image in images]
numpy.save("logits.npy", numpy.concatenate(logits))
"""


@pytest.fixture(scope="module")
def bank() -> ModelBank:
    return lived_in_bank("resnet8")


@pytest.fixture(scope="module")
def images(bank: ModelBank) -> torch.Tensor:
    return images_for(bank, 32)


@pytest.fixture(scope="module")
def older_processor() -> Path:
    """QEMU, which emulates x86 up to AVX2 and knows no VNNI."""
    found = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")
    if found is None:
        pytest.skip("this machine has no QEMU for x86-64 programs (Debian: qemu-user-static)")
    return Path(found)


@pytest.fixture(scope="module")
def model(bank: ModelBank, images: torch.Tensor) -> bytes:
    return exported(bank, images)


def exported(bank: ModelBank, images: torch.Tensor, width: float = 0.5, batch_size: int = 1) -> bytes:
    arch = bank.space.uniform(width)
    statistics = bank.reestimate(images, arch)
    return Template.create(bank, batch_size).subnet(bank, arch, statistics, {"preprocessing": "{}"})


def parsed(model: bytes) -> onnx.ModelProto:
    proto: onnx.ModelProto = onnx.ModelProto.FromString(model)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def constants(proto: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def relative_error(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def test_float32_is_the_file_as_it_is(model: bytes, images: torch.Tensor) -> None:
    assert in_precision(model, "fp32", images) is model


@pytest.mark.parametrize("precision", REDUCED)
@pytest.mark.parametrize("batch_size", [1, 3])
class TestEveryPrecision:
    def test_is_valid_onnx_of_the_same_opset_and_format(
        self, bank: ModelBank, images: torch.Tensor, precision: Precision, batch_size: int
    ) -> None:
        proto = parsed(in_precision(exported(bank, images, batch_size=batch_size), precision, images))
        assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", OPSET)] == [("", 17)]
        assert proto.ir_version == IR_VERSION == 8

    def test_takes_and_gives_float32_in_the_same_shapes_and_says_the_same_of_itself(
        self, bank: ModelBank, images: torch.Tensor, precision: Precision, batch_size: int
    ) -> None:
        before = exported(bank, images, batch_size=batch_size)
        ours, theirs = parsed(in_precision(before, precision, images)), parsed(before)
        assert [*ours.graph.input, *ours.graph.output] == [*theirs.graph.input, *theirs.graph.output]
        assert ours.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
        assert ours.graph.input[0].type.tensor_type.shape.dim[0].dim_value == batch_size
        about = {entry.key: entry.value for entry in ours.metadata_props}
        assert about == {entry.key: entry.value for entry in theirs.metadata_props}
        assert {"preprocessing", "classes", "widths"} <= set(about)

    def test_answers_nearly_the_same(
        self, bank: ModelBank, images: torch.Tensor, precision: Precision, batch_size: int
    ) -> None:
        before = exported(bank, images, batch_size=batch_size)
        found = engine_logits(in_precision(before, precision, images), images)
        error = relative_error(found, engine_logits(before, images))
        assert 0 < error < {"fp16": 0.01, "int8": 0.2}[precision]


@pytest.mark.parametrize("precision", REDUCED)
def test_depthwise_convolutions_and_clips_come_along(precision: Precision) -> None:
    bank = lived_in_bank("mobilenet_v2")
    some = images_for(bank, 32)
    before = exported(bank, some)
    converted = in_precision(before, precision, some)
    made_by = {output: node.op_type for node in parsed(converted).graph.node for output in node.output}
    layers = [node for node in parsed(converted).graph.node if node.op_type == "Conv"]
    assert len(layers) == 52
    if precision == "fp16":
        assert relative_error(engine_logits(converted, some), engine_logits(before, some)) < 0.1  # deep, and random
    else:
        assert all(made_by[name] == "DequantizeLinear" for node in layers for name in node.input[:2])


def test_float16_is_in_the_weights(model: bytes, images: torch.Tensor) -> None:
    halved = in_precision(model, "fp16", images)
    proto = parsed(halved)
    assert {tensor.data_type for tensor in proto.graph.initializer} == {TensorProto.FLOAT16}
    assert [node.op_type for node in proto.graph.node if node.op_type == "Cast"] == ["Cast"] * 2
    assert len(halved) < 0.6 * len(model)


class TestInt8:
    @pytest.fixture(scope="class")
    def proto(self, model: bytes, images: torch.Tensor) -> onnx.ModelProto:
        return parsed(in_precision(model, "int8", images, for_tensorrt=True))

    def test_every_layer_takes_quantised_inputs_and_weights(self, proto: onnx.ModelProto) -> None:
        made_by = {output: node.op_type for node in proto.graph.node for output in node.output}
        layers = [node for node in proto.graph.node if node.op_type in ("Conv", "Gemm")]
        assert len(layers) == 10
        for layer in layers:
            assert [made_by[name] for name in layer.input[:2]] == ["DequantizeLinear"] * 2

    def test_zero_points_are_zero_and_weights_have_a_scale_per_channel(self, proto: onnx.ModelProto) -> None:
        values = constants(proto)
        for node in proto.graph.node:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                zero = values[node.input[2]]
                assert zero.dtype == np.int8
                assert not zero.any()
        by_weight = {
            node.input[0]: values[node.input[1]]
            for node in proto.graph.node
            if node.op_type == "QuantizeLinear" and node.input[0] in values
        }
        assert len(by_weight) == 10
        for name, scales in by_weight.items():
            assert scales.shape == values[name].shape[:1]
            assert len(np.unique(scales)) > 1

    def test_is_of_what_tensorrt_reads(self, proto: onnx.ModelProto) -> None:
        """Its parser takes no 32-bit integers, and until TensorRT 8.6 no weights that are quantised already."""
        values = constants(proto)
        assert {str(value.dtype) for value in values.values()} == {"float32", "int8"}
        dequantised = [node.input[0] for node in proto.graph.node if node.op_type == "DequantizeLinear"]
        assert not set(dequantised) & set(values)

    def test_scales_come_from_the_calibration_images(self, model: bytes, images: torch.Tensor) -> None:
        dim, bright = (in_precision(model, "int8", images * factor) for factor in (1, 3))
        assert dim == in_precision(model, "int8", images)
        assert dim != bright

    @pytest.mark.parametrize("count", [1, 2, 5])
    def test_fewer_images_than_a_batch_are_repeated(self, bank: ModelBank, images: torch.Tensor, count: int) -> None:
        before = exported(bank, images, batch_size=4)
        found = engine_logits(in_precision(before, "int8", images[:count]), images[:count])
        assert relative_error(found, engine_logits(before, images[:count])) < 0.2

    @pytest.mark.parametrize("width", [1.0, 0.25])
    def test_names_the_classes_that_float32_names(self, quick_run: Path, width: float) -> None:
        bank, _ = load_bank(quick_run / "bank")
        target = load_digits(0)[0].target[:512]
        before = exported(bank, target, width)
        found, expected = (engine_logits(m, target) for m in (in_precision(before, "int8", target), before))
        assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.95

    def test_no_sum_of_two_products_with_any_activation_leaves_16_bits(
        self, model: bytes, images: torch.Tensor
    ) -> None:
        """x86 processors without VNNI compute with such sums of activations from 0 to 255, and saturate."""
        weights = [v for v in constants(parsed(in_precision(model, "int8", images))).values() if v.dtype == np.int8]
        largest = max(int(np.abs(values.astype(int)).max()) for values in weights)
        assert 0 < 2 * 255 * largest < 2**15

    def test_an_x86_processor_without_vnni_answers_alike(
        self, model: bytes, images: torch.Tensor, older_processor: Path, tmp_path: Path
    ) -> None:
        converted = in_precision(model, "int8", images)
        (tmp_path / "model.onnx").write_bytes(converted)
        np.save(tmp_path / "images.npy", images.numpy())
        command = [str(older_processor), "-cpu", "max", sys.executable, "-c", ANSWER]
        subprocess.run(command, cwd=tmp_path, check=True, timeout=240, stderr=subprocess.DEVNULL)
        found = np.load(tmp_path / "logits.npy")
        assert relative_error(found, engine_logits(converted, images)) < 0.01

    def test_logging_is_left_as_it_was(self, model: bytes, images: torch.Tensor) -> None:
        before = logging.getLogger().level
        in_precision(model, "int8", images)
        assert logging.getLogger().level == before


@pytest.mark.parametrize("precision", REDUCED)
class TestWhatCannotBeConverted:
    def test_is_told_in_one_sentence(self, precision: Precision, images: torch.Tensor) -> None:
        with pytest.raises(PrecisionError, match=f"^the network cannot be brought to {precision}: .+") as caught:
            in_precision(b"no network", precision, images)
        assert "\n" not in str(caught.value)


def test_images_of_another_size_cannot_calibrate(model: bytes, images: torch.Tensor) -> None:
    with pytest.raises(PrecisionError, match="cannot be brought to int8") as caught:
        in_precision(model, "int8", images[..., :8])
    assert "\n" not in str(caught.value)


class TestTopologyKeys:
    """What is measured is kept by them: apart for every precision, and whatever the weights and scales are."""

    def test_differ_between_precisions(self, model: bytes, images: torch.Tensor) -> None:
        assert len({topology_key(in_precision(model, p, images)) for p in ("fp32", *REDUCED)}) == 3

    @pytest.mark.parametrize("precision", REDUCED)
    def test_do_not_depend_on_weights_nor_scales(
        self, bank: ModelBank, model: bytes, images: torch.Tensor, precision: Precision
    ) -> None:
        arch = bank.space.uniform(0.5)
        neutral = Template.create(bank).subnet(bank, arch, bank.neutral_statistics(arch))
        key = topology_key(in_precision(model, precision, images))
        assert topology_key(in_precision(neutral, precision, images[:1])) == key
        other = lived_in_bank("resnet8", seed=1)
        assert topology_key(in_precision(exported(other, images), precision, images * 2)) == key

    @pytest.mark.parametrize("precision", REDUCED)
    def test_depend_on_widths(self, bank: ModelBank, model: bytes, images: torch.Tensor, precision: Precision) -> None:
        wider = exported(bank, images, 0.75)
        keys = {topology_key(in_precision(m, precision, images)) for m in (model, wider)}
        assert len(keys) == 2


def test_onnx_runtime_is_given_weights_and_biases_in_integers_and_tensorrt_neither(
    model: bytes, images: torch.Tensor
) -> None:
    found = [parsed(in_precision(model, "int8", images, for_tensorrt=flag)) for flag in (False, True)]
    assert [integers_read(one) for one in found] == [{onnx.TensorProto.INT8, onnx.TensorProto.INT32}, set()]


def test_onnx_runtime_answers_in_the_form_for_tensorrt_as_in_its_own(model: bytes, images: torch.Tensor) -> None:
    """Where TensorRT serves one device of a run, the others are given that form too."""
    ours, theirs = (
        engine_logits(in_precision(model, "int8", images, for_tensorrt=flag), images) for flag in (False, True)
    )
    assert relative_error(theirs, ours) < 0.01
    assert (theirs.argmax(axis=1) == ours.argmax(axis=1)).all()
