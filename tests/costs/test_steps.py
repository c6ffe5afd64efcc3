"""Steps: widths that cost the same are found where a device computes in blocks, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.bank import create_bank
from harness.costs import (
    ComplexityCounter,
    CostModel,
    LayerTable,
    MeasuredLayer,
    Observations,
    find_steps,
    reference,
)
from harness.space import Architecture

Cost = Callable[[int, int], float]


def in_blocks(inputs: int, outputs: int) -> float:
    return 0.02 + 0.004 * -(-inputs // 16) * -(-outputs // 16)


def in_small_blocks(inputs: int, outputs: int) -> float:
    return 0.02 + 0.00025 * -(-inputs // 4) * -(-outputs // 4)


def by_channel(inputs: int, outputs: int) -> float:
    return 0.02 + 2e-5 * inputs * outputs


def table_of(model: str) -> LayerTable:
    return LayerTable(create_bank(model, ["a", "b"], (1, 32, 32)))


@pytest.fixture(scope="module")
def fine() -> LayerTable:
    """A grid of 2 channels."""
    return table_of("resnet8")


def fitted(table: LayerTable, cost: Cost, noise: float = 0.02, seed: int = 0, of_networks: float = 1.0) -> CostModel:
    """Return the model of a made-up device whose layers cost `cost`, measured with noise, and networks with more."""
    rng = np.random.default_rng(seed)

    def network(arch: Architecture) -> float:
        return sum(cost(*widths) for widths in table.layer_widths(arch))

    full = network(table.space.full)

    def noisy(value: float, times: float = 1.0) -> float:
        return value / full * float(np.exp(times * noise * rng.standard_normal()))

    singles = []
    for _ in range(48):
        widths = table.layer_widths(table.space.sample(rng))
        for kind, indices in table.kinds.items():
            own = widths[int(rng.choice(indices))]
            singles.append(MeasuredLayer(kind, *own, noisy(cost(*own))))
    archs = [table.space.full, *(table.space.sample(rng) for _ in range(60))]
    networks = tuple((arch, noisy(network(arch), of_networks)) for arch in archs)
    return CostModel(table, Observations(5.0, tuple(singles), networks))


def steps_of(table: LayerTable, model: CostModel) -> dict[str, list[tuple[int, int]]]:
    return find_steps(model, table.space, table.space.uniform(0.35))


def crosses(run: tuple[int, int], block: int = 16) -> bool:
    """Whether a run holds widths of two blocks."""
    low, high = run
    return -(-low // block) != -(-high // block)


def test_on_a_grid_finer_than_the_blocks_the_widths_of_each_block_are_one_run(fine: LayerTable) -> None:
    steps = steps_of(fine, fitted(fine, in_blocks, noise=0.002))
    assert steps["stage3"] == [(low, low + 14) for low in range(18, 160, 16)]
    assert steps["stage3.block1.inner1"] == steps["stage3"]


def test_on_a_grid_of_half_a_block_pairs_of_widths_are_runs() -> None:
    coarse = table_of("resnet50")
    steps = steps_of(coarse, fitted(coarse, in_blocks))
    assert steps["stage1"] == [(low, low + 8) for low in range(24, 256, 16)][: len(steps["stage1"])]
    assert not [run for runs in steps.values() for run in runs if crosses(run)]
    assert len(steps["stage4"]) > 50


@pytest.mark.parametrize("seed", range(1, 6))
def test_no_run_is_claimed_that_the_device_does_not_have(fine: LayerTable, seed: int) -> None:
    steps = steps_of(fine, fitted(fine, in_blocks, seed=seed))
    assert len(steps["stage3"]) >= 8
    assert not [run for runs in steps.values() for run in runs if crosses(run)]


@pytest.mark.parametrize("seed", range(6))
def test_where_every_channel_costs_nothing_is_claimed(fine: LayerTable, seed: int) -> None:
    assert steps_of(fine, fitted(fine, by_channel, seed=seed)) == {}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("cost", "block", "times"), [(in_blocks, 16, 15), (in_small_blocks, 4, 8)])
def test_where_networks_scatter_what_the_model_is_not_sure_of_is_not_claimed(
    fine: LayerTable, cost: Cost, block: int, times: float, seed: int
) -> None:
    model = fitted(fine, cost, seed=seed, of_networks=times)
    assert model.blocks.size == block
    assert not [run for runs in steps_of(fine, model).values() for run in runs if crosses(run, block)]


def test_a_grid_as_coarse_as_the_blocks_hides_them(fine: LayerTable) -> None:
    model = fitted(fine, lambda inputs, outputs: 0.02 + 0.004 * -(-inputs // 2) * -(-outputs // 2))
    assert steps_of(fine, model) == {}


def test_the_other_widths_are_those_of_an_eighth_of_the_compute() -> None:
    counter = ComplexityCounter(create_bank("resnet8", ["a", "b"], (1, 32, 32)))
    others = reference(counter)
    assert others in counter.space
    assert counter.compute_fraction(others) == pytest.approx(1 / 8, rel=0.1)
