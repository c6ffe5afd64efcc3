"""A layer as a network of its own: ONNX Runtime answers what PyTorch does, for every kind of layer that a bank has."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from harness.bank import create_bank
from harness.costs import LayerTable
from harness.export import single_layer, topology_key
from tests.bank.factory import SHAPES


@pytest.mark.parametrize("model", ["resnet8", "resnet50", "mobilenet_v2"])
def test_every_kind_of_layer_is_a_network_that_answers_as_torch_does(model: str) -> None:
    table = LayerTable(create_bank(model, ["a", "b", "c"], SHAPES[model]))
    for kind in table.kinds:
        inputs = 6 if kind.depthwise else 5
        module, shape = kind.module(inputs, 6).eval(), kind.input_shape(inputs)
        images = torch.rand(2, *shape)
        session = onnxruntime.InferenceSession(single_layer(module, shape, 6, batch_size=2))
        (found,) = session.run(None, {"images": images.numpy()})
        np.testing.assert_allclose(found, module(images).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_costs_of_a_layer_hang_on_its_widths_and_not_on_its_weights() -> None:
    table = LayerTable(create_bank("resnet8", ["a", "b"], SHAPES["resnet8"]))
    kind = next(iter(table.kinds))
    first, same, wider = (
        topology_key(single_layer(kind.module(1, width), kind.input_shape(1), width)) for width in (4, 4, 6)
    )
    assert first == same != wider


def test_a_layer_is_the_same_file_every_time_so_that_a_device_need_not_compile_it_again() -> None:
    table = LayerTable(create_bank("resnet8", ["a", "b"], SHAPES["resnet8"]))
    for kind in table.kinds:
        first, second = (single_layer(kind.module(4, 6), kind.input_shape(4), 6) for _ in range(2))
        assert first == second
