"""Networks of other families to ONNX: in the form that subnets have, with the same check and the same precisions."""

from __future__ import annotations

import json
import math

import onnx
import pytest
import torch
from torch import Tensor, nn

from harness.bank import Baseline, create_baseline
from harness.export import ExportError, ExportMismatch, engine_logits, in_precision, traced, verify_module
from harness.export.precisions import Precision

SHAPE = (1, 16, 16)
IMAGES = torch.randn(70, *SHAPE, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module", params=["shufflenet_v2_x0_5", "mobilenet_v3_small"])
def baseline(request: pytest.FixtureRequest) -> Baseline:
    network = create_baseline(request.param, ("a", "b", "c"), SHAPE)
    with torch.no_grad():  # as trained: the exporter keeps equal biases once
        for seed, parameter in enumerate(network.parameters()):
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)), alpha=0.01)
    return Baseline.of(network, network.reestimate(IMAGES, network.space.full))


@pytest.fixture(scope="module")
def exported(baseline: Baseline) -> bytes:
    return traced(baseline.module, SHAPE, baseline.metadata, batch_size=4)


def test_is_of_the_form_that_subnets_have(baseline: Baseline, exported: bytes) -> None:
    model = onnx.ModelProto.FromString(exported)
    onnx.checker.check_model(model)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert model.ir_version == 8
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [4, *SHAPE]
    assert (model.graph.input[0].name, model.graph.output[0].name) == ("images", "logits")
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert (about["model"], about["arch_id"]) == (baseline.name, baseline.arch_id)
    assert json.loads(about["classes"]) == ["a", "b", "c"]


def test_batch_norm_is_folded_and_what_remains_is_counted(baseline: Baseline, exported: bytes) -> None:
    graph = onnx.ModelProto.FromString(exported).graph
    assert "BatchNormalization" not in {node.op_type for node in graph.node}
    weights = [tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    layers = {name for node in graph.node if node.op_type in ("Conv", "Gemm") for name in node.input}
    assert sum(math.prod(tensor.dims) for tensor in weights if tensor.name in layers) == baseline.params


def test_answers_as_the_network_does(baseline: Baseline, exported: bytes) -> None:
    assert verify_module(exported, baseline.module, IMAGES, baseline.name).agreement == 1.0


def test_other_weights_are_noticed(baseline: Baseline, exported: bytes) -> None:
    other = Baseline.of(create_baseline(baseline.name, ("a", "b", "c"), SHAPE, seed=1))
    with pytest.raises(ExportMismatch, match=f"network {baseline.name} differs from the original"):
        verify_module(exported, other.module, IMAGES, baseline.name)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_other_precisions_run(exported: bytes, precision: Precision) -> None:
    model = in_precision(exported, precision, IMAGES)
    assert engine_logits(model, IMAGES[:8]).shape == (8, 3)


def test_what_cannot_be_exported_says_so_in_a_sentence_and_leaves_standard_output_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = torch.special.bessel_j0(x)
            return y.flatten(1)

    with pytest.raises(ExportError, match="cannot be exported to ONNX") as refused:
        traced(Odd(), SHAPE, {})
    assert "\n" not in str(refused.value)
    assert capfd.readouterr().out == ""
