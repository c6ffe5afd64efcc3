"""Layers by kind: depthwise convolutions are kinds of their own, and count their weights once."""

from __future__ import annotations

import numpy as np
import pytest

from harness.bank import create_bank
from harness.costs import ComplexityCounter, CostModel, LayerTable, MeasuredLayer, Observations
from tests.bank.factory import SHAPES


def table_of(model: str) -> LayerTable:
    return LayerTable(create_bank(model, ["a", "b", "c"], SHAPES[model]))


def test_no_depthwise_convolution_is_of_a_kind_with_any_other() -> None:
    table = table_of("mobilenet_v2")
    for kind, places in table.kinds.items():
        assert {table.layers[place].depthwise for place in places} == {kind.depthwise}
        assert ("depthwise" in kind.name) == ("depthwise" in kind.file_name(8, 8)) == kind.depthwise
    names = [kind.name for kind in table.kinds]
    assert len(set(names)) == len(names)
    assert "3x3/2 depthwise at 8x8" in names


@pytest.mark.parametrize("model", ["resnet8", "mobilenet_v2"])
def test_weights_are_the_parameters_without_the_biases(model: str) -> None:
    table, counter = table_of(model), ComplexityCounter(create_bank(model, ["a", "b", "c"], SHAPES[model]))
    rng = np.random.default_rng(0)
    archs = [table.space.full, table.space.smallest, table.space.sample(rng)]
    expected = [counter.params(arch) - counter.channels(arch) for arch in archs]
    assert table.weights(table.widths(archs)).tolist() == expected
    assert [table.weights_of(table.layer_widths(arch)) for arch in archs] == expected


def test_a_residual_sum_follows_projections_alone() -> None:
    table = table_of("mobilenet_v2")
    ends = [layer.name for place, layer in enumerate(table.layers) if table.ends_block(place)]
    assert len(ends) == 10
    assert all(name.endswith(".branch.project") for name in ends)


def test_a_model_learns_a_network_with_depthwise_convolutions() -> None:
    table = table_of("mobilenet_v2")
    rng = np.random.default_rng(0)

    def cost(place: int, inputs: int, outputs: int) -> float:
        return 1e-3 + 1e-5 * outputs * (1 if table.layers[place].depthwise else 1 + inputs / 50)

    def whole(widths: list[tuple[int, int]]) -> float:
        return sum(cost(place, *own) for place, own in enumerate(widths))

    full = whole(table.layer_widths(table.space.full))
    drawn = [table.space.full, table.space.smallest, *(table.space.sample(rng) for _ in range(40))]
    seen = [(arch, whole(table.layer_widths(arch)) / full) for arch in drawn]
    layers = [
        MeasuredLayer(kind, *widths, cost(places[0], *widths) / full)
        for kind, places in table.kinds.items()
        for widths in (table.layer_widths(arch)[places[0]] for arch in drawn)
    ]
    model = CostModel(table, Observations(full, tuple(layers), tuple(seen)))
    for arch in (table.space.sample(rng) for _ in range(10)):
        assert model.predict_ms(arch) == pytest.approx(whole(table.layer_widths(arch)), rel=0.03)
