"""Subnets as ONNX models: whole, checked, equal to the bank, and described."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from harness.bank import MODELS, ModelBank, arch_id, encode
from harness.bank.plain import Residual
from harness.export import Template, topology_key, verify
from harness.export.graph import GraphWriter
from harness.export.template import folded
from tests.bank.factory import images_for, lived_in_bank, stored_statistics


@pytest.fixture(scope="module", params=MODELS)
def bank(request: pytest.FixtureRequest) -> ModelBank:
    return lived_in_bank(request.param)


@pytest.fixture(scope="module")
def small() -> ModelBank:
    return lived_in_bank("resnet8")


def test_random_subnets_pass_the_checker_and_equal_the_bank_in_onnx_runtime(bank: ModelBank) -> None:
    rng = np.random.default_rng(0)
    template, images = Template.create(bank), images_for(bank, 32)
    for arch in [bank.space.smallest, bank.space.sample(rng), bank.space.sample(rng)]:
        statistics = bank.reestimate(images, arch)
        model = template.subnet(bank, arch, statistics)
        onnx.checker.check_model(model, full_check=True)
        assert verify(model, bank, arch, statistics, images).agreement > 0.95


def test_the_graph_is_that_of_torch_s_own_opset_17_export(bank: ModelBank, tmp_path: Path) -> None:
    arch = bank.space.uniform(0.3)
    images = images_for(bank, 2)
    statistics = bank.reestimate(images, arch)
    path = tmp_path / "torch.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer torch calls its opset 17 exporter old
        torch.onnx.export(bank.cut(arch, statistics), (images,), path, dynamo=False, opset_version=17)
    ours = Template.create(bank, batch_size=2).subnet(bank, arch, statistics)
    assert topology_key(ours) == topology_key(path.read_bytes())


def test_batches_are_static_and_padded_images_do_not_count(small: ModelBank) -> None:
    arch = small.space.uniform(0.5)
    images = images_for(small, 7)
    statistics = small.reestimate(images, arch)
    model = Template.create(small, batch_size=4).subnet(small, arch, statistics)
    graph = ModelProto.FromString(model).graph
    shapes = [[d.dim_value for d in value.type.tensor_type.shape.dim] for value in (graph.input[0], graph.output[0])]
    assert shapes == [[4, 1, 16, 16], [4, 5]]
    assert not graph.value_info
    assert verify(model, small, arch, statistics, images).relative_error < 1e-5


def test_a_model_says_what_it_is_and_carries_the_caller_s_metadata(small: ModelBank) -> None:
    arch = small.space.uniform(0.5)
    model = ModelProto.FromString(
        Template.create(small).subnet(
            small, arch, small.neutral_statistics(arch), {"preprocessing": '{"size": 16}', "widths": "not these"}
        )
    )
    assert (model.ir_version, [(o.domain, o.version) for o in model.opset_import]) == (8, [("", 17)])
    assert {entry.key: entry.value for entry in model.metadata_props} == {
        "model": "resnet8",
        "widths": encode(arch),
        "arch_id": arch_id("resnet8", arch),
        "classes": json.dumps(small.spec.classes),
        "preprocessing": '{"size": 16}',
    }


def test_framing_the_weights_gives_what_protobuf_s_own_serialiser_reads(small: ModelBank) -> None:
    arch = small.space.full
    statistics = small.reestimate(images_for(small, 4), arch)
    model = ModelProto.FromString(Template.create(small).subnet(small, arch, statistics))
    expected: dict[str, torch.Tensor] = {}
    for layer in small.layers():
        weight, bias = folded(layer, arch, statistics)
        expected |= {f"{layer.name}.weight": weight, f"{layer.name}.bias": bias}
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value.detach().numpy())
    assert ModelProto.FromString(model.SerializeToString()) == model


def test_folding_equals_torch_s_fusion_of_convolution_and_batch_norm(small: ModelBank) -> None:
    arch = small.space.uniform(0.7)
    statistics = small.reestimate(images_for(small, 16), arch)
    cut = small.cut(arch, statistics)
    layer = next(layer for layer in small.layers() if layer.name == "layer2_1.branch.conv1")
    conv, norm = cut.get_submodule(layer.name), cut.get_submodule("layer2_1.branch.bn1")
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    fused = fuse_conv_bn_eval(conv, norm)
    assert fused.bias is not None
    weight, bias = folded(layer, arch, statistics)
    torch.testing.assert_close(weight, fused.weight)
    torch.testing.assert_close(bias, fused.bias)


def test_exporting_leaves_the_bank_as_it_was(small: ModelBank) -> None:
    before = {name: value.clone() for name, value in small.state_dict().items()}
    arch = small.space.full
    Template.create(small).subnet(small, arch, stored_statistics(small))
    for name, value in small.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_template_refuses_another_kind_of_bank_and_a_foreign_architecture(small: ModelBank) -> None:
    template = Template.create(small)
    other = lived_in_bank("resnet8", classes=6)
    arch = small.space.full
    with pytest.raises(ValueError, match="was made for"):
        template.subnet(other, arch, other.neutral_statistics(arch))
    with pytest.raises(ValueError, match="widths"):
        template.subnet(small, arch[:-1], small.neutral_statistics(arch))
    with pytest.raises(ValueError, match="batch size must be positive"):
        Template.create(small, batch_size=0)


@pytest.mark.parametrize(
    "module",
    [nn.Sigmoid(), nn.AdaptiveAvgPool2d(2), nn.Conv2d(1, 1, 3, padding="same")],
    ids=["operator", "pooling", "padding"],
)
def test_a_module_without_a_rule_is_refused_by_name(module: nn.Module) -> None:
    with pytest.raises(TypeError, match="ONNX rule"):
        GraphWriter().emit(nn.Sequential(Residual(module, nn.Identity())), "", "images")
