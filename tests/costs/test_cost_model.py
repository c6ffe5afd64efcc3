"""The cost model: corrects what single layers suggest by whole networks, is honest about its errors, says its steps."""

from __future__ import annotations

import numpy as np
import pytest

from harness.bank import create_bank
from harness.costs import (
    ComplexityCounter,
    CostModel,
    LayerTable,
    MeasuredLayer,
    Observations,
    TooFewMeasurements,
    held_out_error,
)
from harness.costs.channel_blocks import ChannelBlocks
from harness.space import Architecture

ANCHOR_MS = 8.0


class Machine:
    """A made-up device: blocks of 16, every layer dearer in a network than by itself, residual sums, a fixed part.

    A network of more weights than fill its cache waits for every further one, which no layer by itself does.
    """

    def __init__(self, table: LayerTable, cache: int = 10**9) -> None:
        self.table = table
        self.cache = cache

    def layer(self, inputs: int, outputs: int) -> float:
        return 0.02 + 0.004 * -(-inputs // 16) * -(-outputs // 16)

    def network(self, arch: Architecture) -> float:
        widths = self.table.layer_widths(arch)
        sums = sum(outputs for i, (_, outputs) in enumerate(widths) if self.table.ends_block(i))
        missed = max(self.table.weights_of(widths) - self.cache, 0)
        return 0.01 + sum(1.25 * self.layer(*own) for own in widths) + 2e-4 * sums + 5e-6 * missed


class ChannelMachine(Machine):
    """A device on which every channel costs."""

    def layer(self, inputs: int, outputs: int) -> float:
        return 0.02 + 0.00002 * inputs * outputs


class PickyMachine(Machine):
    """A device that computes in blocks only where inputs are a multiple of 4."""

    def layer(self, inputs: int, outputs: int) -> float:
        if inputs < 16 or inputs % 4 == 0:
            return super().layer(inputs, outputs)
        return 0.04 + 0.00004 * inputs * outputs


@pytest.fixture(scope="module")
def table() -> LayerTable:
    return LayerTable(create_bank("resnet8", ["a", "b"], (1, 32, 32)))


def observations(
    table: LayerTable, networks: int, noise: float = 0.0, seed: int = 0, machine: Machine | None = None
) -> Observations:
    rng, machine = np.random.default_rng(seed), machine or Machine(table)
    full = machine.network(table.space.full)

    def noisy(cost: float) -> float:
        return cost / full * float(np.exp(noise * rng.standard_normal()))

    layers = []
    for _ in range(60):
        widths = table.layer_widths(table.space.sample(rng))
        for kind, indices in table.kinds.items():
            inputs, outputs = widths[indices[0]]
            layers.append(MeasuredLayer(kind, inputs, outputs, noisy(machine.layer(inputs, outputs))))
    archs = [table.space.sample(rng) for _ in range(networks)]
    return Observations(ANCHOR_MS, tuple(layers), tuple((arch, noisy(machine.network(arch))) for arch in archs))


def unseen(
    table: LayerTable, count: int = 60, machine: Machine | None = None
) -> tuple[list[Architecture], list[float]]:
    rng, machine = np.random.default_rng(99), machine or Machine(table)
    archs = [table.space.sample(rng) for _ in range(count)]
    full = machine.network(table.space.full)
    return archs, [ANCHOR_MS * machine.network(arch) / full for arch in archs]


def test_networks_are_predicted_that_were_never_seen(table: LayerTable) -> None:
    model = CostModel(table, observations(table, 60))
    archs, truth = unseen(table)
    error = held_out_error([model.predict_ms(arch) for arch in archs], truth)
    assert error.mean < 0.005
    assert error.p99 < 0.03
    assert model.blocks.size == 16


@pytest.mark.parametrize(
    ("kind", "blocks"),
    [(Machine, ChannelBlocks(16)), (ChannelMachine, ChannelBlocks(1)), (PickyMachine, ChannelBlocks(16, 4))],
)
def test_the_blocks_of_a_device_are_found(table: LayerTable, kind: type[Machine], blocks: ChannelBlocks) -> None:
    model = CostModel(table, observations(table, 120, noise=0.01, machine=kind(table)))
    assert model.blocks == blocks


def test_whole_networks_correct_what_single_layers_suggest(table: LayerTable) -> None:
    few, many = (CostModel(table, observations(table, count)) for count in (8, 80))
    archs, truth = unseen(table)
    errors = [held_out_error([model.predict_ms(arch) for arch in archs], truth).mean for model in (few, many)]
    assert errors[1] < errors[0]


def test_a_cache_that_is_too_small_for_all_weights_is_learned_from_whole_networks(table: LayerTable) -> None:
    machine = Machine(table, cache=60_000)
    archs, truth = unseen(table, 200, machine)
    many = [table.weights_of(table.layer_widths(arch)) > machine.cache for arch in archs]
    assert 20 < sum(many) < 180
    model = CostModel(table, observations(table, 120, machine=machine))
    off = np.array([model.predict_ms(arch) for arch in archs]) / truth - 1
    assert np.abs(off[many]).mean() < 0.01
    assert np.abs(off[np.invert(many)]).mean() < 0.01


def test_it_beats_multiply_adds_alone_on_a_device_of_blocks(table: LayerTable) -> None:
    model = CostModel(table, observations(table, 60, noise=0.01))
    counter = ComplexityCounter(create_bank("resnet8", ["a", "b"], (1, 32, 32)))
    archs, truth = unseen(table)
    macs = np.array([counter.macs(arch) for arch in archs], float)
    rate, constant = np.polyfit(macs, truth, 1)
    own = held_out_error([model.predict_ms(arch) for arch in archs], truth)
    assert own.mean < 0.5 * held_out_error(list(constant + rate * macs), truth).mean


def test_its_intervals_hold_about_as_many_measurements_as_they_promise(table: LayerTable) -> None:
    model = CostModel(table, observations(table, 100, noise=0.03))
    rng = np.random.default_rng(5)
    archs, truth = unseen(table, 300)
    measured = [ms * float(np.exp(0.03 * rng.standard_normal())) for ms in truth]
    within = [(p := model.predict(arch)).low_ms <= ms <= p.high_ms for arch, ms in zip(archs, measured, strict=True)]
    assert 0.9 <= np.mean(within) <= 1.0
    assert 0.02 < model.spread < 0.05


def test_one_by_one_and_all_at_once_are_the_same_prediction(table: LayerTable) -> None:
    model = CostModel(table, observations(table, 30, noise=0.02))
    archs, _ = unseen(table)
    np.testing.assert_allclose([model.predict_ms(arch) for arch in archs], model.predict_all_ms(archs), rtol=1e-9)


def test_what_one_network_takes_longer_than_another_is_known_about_as_well_as_it_says(table: LayerTable) -> None:
    model = CostModel(table, observations(table, 100, noise=0.03))
    archs, truth = unseen(table, 200)
    longer, errors = model.differences_ms(archs[:-1], archs[1:])
    np.testing.assert_allclose(longer, np.diff(model.predict_all_ms(archs)), rtol=1e-6, atol=1e-9)
    off = np.abs(longer - np.diff(truth)) / errors
    assert 0.4 < np.median(off) < 2
    assert model.differences_ms(archs[:1], archs[:1])[1] == 0


def test_it_is_least_sure_where_it_has_seen_nothing(table: LayerTable) -> None:
    seen = observations(table, 200, noise=0.02)
    wide = tuple(row for row in seen.networks if row[0][0] >= 24)[:60]
    model = CostModel(table, Observations(ANCHOR_MS, seen.layers, wide))
    known = model.uncertainty([arch for arch, _ in wide]).mean()
    assert model.uncertainty([table.space.smallest])[0] > 2 * known


def test_a_few_wild_measurements_do_not_carry_the_fit_away(table: LayerTable) -> None:
    seen = observations(table, 60, noise=0.01)
    wild = tuple((arch, ratio * 3 if i % 12 == 0 else ratio) for i, (arch, ratio) in enumerate(seen.networks))
    archs, truth = unseen(table)
    model = CostModel(table, Observations(ANCHOR_MS, seen.layers, wild))
    assert held_out_error([model.predict_ms(arch) for arch in archs], truth).mean < 0.05


def test_too_few_networks_or_a_kind_of_layer_without_any_are_refused(table: LayerTable) -> None:
    seen = observations(table, 10)
    with pytest.raises(TooFewMeasurements, match="at least 8 different networks, got 7"):
        CostModel(table, Observations(ANCHOR_MS, seen.layers, seen.networks[:7]))
    without = tuple(layer for layer in seen.layers if layer.kind.kernel is not None)
    with pytest.raises(TooFewMeasurements, match="no layer was measured of: linear"):
        CostModel(table, Observations(ANCHOR_MS, without, seen.networks))


def test_the_same_observations_give_the_same_model(table: LayerTable) -> None:
    seen = observations(table, 30, noise=0.02)
    archs, _ = unseen(table, 5)
    first, second = (CostModel(table, seen).predict_all_ms(archs) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_held_out_errors_are_those_of_their_definition() -> None:
    error = held_out_error([1.1, 2.0, 2.7], [1.0, 2.0, 3.0], [True, True, False])
    assert error.mean == pytest.approx((0.1 + 0.0 + 0.1) / 3)
    assert error.rank_correlation == pytest.approx(1.0)
    assert error.coverage == pytest.approx(2 / 3)
    assert held_out_error([1.0], [2.0]).rank_correlation is None
