"""The roofline: the formula, the laws that follow from it, and what it refuses."""

from __future__ import annotations

import dataclasses
import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, shape_inference

from harness.bank import create_bank
from harness.costs import ComplexityCounter, Roof, Roofline, input_numbers
from harness.export import Template
from harness.space import Architecture
from tests.bank.factory import lived_in_bank

#: Rates near those of small boards, so that each of the three limits holds somewhere.
ROOF = Roof(macs_per_ms=2e7, bytes_per_ms=1e7, floor_ms=0.002, number_bytes=4)

amounts = st.lists(st.tuples(*[st.integers(0, 10**8)] * 3), min_size=1, max_size=8)
rates = st.floats(1e3, 1e12)
roofs = st.builds(Roof, rates, rates, st.floats(0, 1), st.sampled_from([1, 2, 4]))
seeds = st.integers(0, 2**32 - 1)


@cache
def counter() -> ComplexityCounter:
    return ComplexityCounter(create_bank("resnet8", ["a", "b", "c"], (1, 16, 16)))


def layer_ms(roof: Roof, layers: list[tuple[int, int, int]]) -> list[float]:
    found: list[float] = roof.layer_ms(*np.array(layers, np.int64).T).tolist()
    return found


@given(roof=roofs, layers=amounts)
def test_a_layer_takes_the_longest_of_computing_moving_and_starting(
    roof: Roof, layers: list[tuple[int, int, int]]
) -> None:
    naive = []
    for macs, weights, activations in layers:
        computing = macs / roof.macs_per_ms
        moving = (weights + activations) * roof.number_bytes / roof.bytes_per_ms
        naive.append(max(computing, moving, roof.floor_ms))
    np.testing.assert_allclose(layer_ms(roof, layers), naive)


@given(roof=roofs, layers=amounts)
def test_no_layer_is_below_the_floor_and_none_is_faster_for_a_slower_memory(
    roof: Roof, layers: list[tuple[int, int, int]]
) -> None:
    before = layer_ms(roof, layers)
    assert min(before) >= roof.floor_ms
    for slower in (
        dataclasses.replace(roof, bytes_per_ms=roof.bytes_per_ms / 2),
        dataclasses.replace(roof, macs_per_ms=roof.macs_per_ms / 2),
        dataclasses.replace(roof, floor_ms=roof.floor_ms * 2),
    ):
        assert all(now >= then for now, then in zip(layer_ms(slower, layers), before, strict=True))
        assert all(now <= 2 * then * (1 + 1e-9) for now, then in zip(layer_ms(slower, layers), before, strict=True))


@given(seed=seeds, batch=st.integers(1, 16))
@settings(deadline=None)
def test_a_network_takes_the_sum_of_its_layers(seed: int, batch: int) -> None:
    arch = counter().space.sample(np.random.default_rng(seed))
    total = 0.0
    for macs, params, read, written in zip(
        counter().layer_macs(arch),
        counter().layer_params(arch),
        counter().layer_inputs(arch),
        counter().layer_activations(arch),
        strict=True,
    ):
        total += max(batch * macs / 2e7, (params + batch * (read + written)) * 4 / 1e7, 0.002)
    assert Roofline(counter(), ROOF, batch).predict_ms(arch) == pytest.approx(total)


@given(seed=seeds, roof=roofs)
@settings(deadline=None)
def test_more_channels_never_take_less_time(seed: int, roof: Roof) -> None:
    space, roofline = counter().space, Roofline(counter(), roof)
    arch = space.sample(np.random.default_rng(seed))
    latency = roofline.predict_ms(arch)
    for narrower in space.drops(arch, 0.2):
        assert roofline.predict_ms(narrower) <= latency
    assert roofline.predict_ms(space.smallest) <= latency <= roofline.predict_ms(space.full)
    assert latency >= roof.floor_ms * len(counter().layer_names) * (1 - 1e-9)


def test_each_of_the_three_limits_holds_where_it_should() -> None:
    layers = [(2 * 10**8, 10, 10), (10, 10**7, 10**7), (10, 10, 10)]
    assert layer_ms(ROOF, layers) == [10.0, 8.0, 0.002]


@pytest.mark.parametrize("model", ["resnet8", "resnet50", "mobilenet_v2"])
def test_what_layers_read_is_what_the_exported_graph_reads(model: str) -> None:
    bank = lived_in_bank(model, 5)
    arch: Architecture = bank.space.sample(np.random.default_rng(3))
    exported = ModelProto.FromString(Template.create(bank).subnet(bank, arch, bank.neutral_statistics(arch)))
    graph = shape_inference.infer_shapes(exported, strict_mode=True).graph
    sizes = {
        value.name: int(np.prod([d.dim_value for d in value.type.tensor_type.shape.dim]))
        for value in [*graph.value_info, *graph.input]
    }
    read = [sizes[node.input[0]] for node in graph.node if node.op_type in ("Conv", "Gemm")]
    assert ComplexityCounter(bank).layer_inputs(arch).tolist() == read


def test_counting_inputs_leaves_the_module_as_it_was() -> None:
    bank = lived_in_bank("resnet8", 5)
    cut = bank.cut(bank.space.full, bank.neutral_statistics(bank.space.full))
    assert len(input_numbers(cut, bank.spec.input_shape)) == len(bank.layers())
    assert all(not module._forward_hooks for module in cut.modules())


@pytest.mark.parametrize(
    "wrong",
    [
        {"macs_per_ms": 0.0},
        {"macs_per_ms": math.inf},
        {"bytes_per_ms": -1.0},
        {"bytes_per_ms": math.nan},
        {"number_bytes": 0},
        {"floor_ms": -0.1},
        {"floor_ms": math.nan},
    ],
)
def test_impossible_figures_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"a roof needs positive rates|a kernel's floor is a time"):
        dataclasses.replace(ROOF, **wrong)
