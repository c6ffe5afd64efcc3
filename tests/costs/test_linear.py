"""Models of memory and energy: they find rates that exist, say how wrong they are, and refuse what they cannot fit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.bank import create_bank
from harness.costs import ComplexityCounter, LinearModel, TooFewFigures, fit_energy, fit_memory
from harness.space import Architecture

RATES = (0.3, 13.0, 60.0)


@pytest.fixture(scope="module")
def counter() -> ComplexityCounter:
    return ComplexityCounter(create_bank("resnet8", ["a", "b"], (1, 16, 16)))


@pytest.fixture(scope="module")
def archs(counter: ComplexityCounter) -> list[Architecture]:
    rng = np.random.default_rng(0)
    return [counter.space.full, counter.space.smallest, *(counter.space.sample(rng) for _ in range(6))]


def peak_mb(counter: ComplexityCounter, arch: Architecture, batch_size: int = 1) -> float:
    largest = max(counter.layer_inputs(arch) + counter.layer_activations(arch)) * batch_size
    return float(RATES[0] + RATES[1] * counter.params(arch) / 1e6 + RATES[2] * largest / 1e6)


@pytest.mark.parametrize("batch_size", [1, 8])
def test_memory_made_of_weights_and_activations_is_predicted(
    counter: ComplexityCounter, archs: list[Architecture], batch_size: int
) -> None:
    model = fit_memory(counter, archs, [peak_mb(counter, arch, batch_size) for arch in archs], batch_size)
    np.testing.assert_allclose(model.rates, RATES, rtol=1e-6)
    assert model.p90_error < 1e-6
    fresh = counter.space.sample(np.random.default_rng(9))
    assert model.predict(fresh) == pytest.approx(peak_mb(counter, fresh, batch_size))
    assert model.record["rates"]["constant"] == pytest.approx(0.3)
    assert set(model.record["held_out"]) == {"median", "p90"}


def test_energy_is_of_one_image_and_power_over_the_time_of_the_batch(
    counter: ComplexityCounter, archs: list[Architecture]
) -> None:
    def batch_ms(arch: Architecture) -> float:
        return 0.01 * sum(arch)

    def energy_mj(arch: Architecture) -> float:
        return 1.0 + 5.0 * batch_ms(arch) / 4 + 200.0 * counter.macs(arch) / 1e9

    model = fit_energy(counter, batch_ms, archs, [energy_mj(arch) for arch in archs], 4)
    np.testing.assert_allclose(model.rates, [1.0, 5.0, 200.0], rtol=1e-6)


def test_the_held_out_error_is_that_of_what_was_left_out(archs: list[Architecture]) -> None:
    costs = [1.0] * (len(archs) - 1) + [2.0]
    model = LinearModel.fit(("constant",), lambda arch: (1.0,), archs, costs)
    errors = []
    for index, cost in enumerate(costs):
        others = costs[:index] + costs[index + 1 :]
        rate = sum(1 / c for c in others) / sum(1 / c**2 for c in others)  # least squares of relative errors
        errors.append(abs(rate - cost) / cost)
    assert model.median_error == pytest.approx(np.median(errors))
    assert model.p90_error == pytest.approx(np.percentile(errors, 90))


def test_no_rate_is_negative_and_what_no_subnet_has_costs_nothing(archs: list[Architecture]) -> None:
    model = LinearModel.fit(
        ("constant", "width", "nothing"),
        lambda arch: (1.0, float(sum(arch)), 0.0),
        archs,
        [1000.0 - sum(arch) for arch in archs],
    )
    assert min(model.rates) >= 0
    assert model.rates[2] == 0


@pytest.mark.parametrize("costs", [[1.0] * 7, [1.0] * 7 + [0.0], [1.0] * 7 + [math.nan], [1.0] * 7 + [-1.0]])
def test_costs_that_are_none_are_refused(archs: list[Architecture], costs: list[float]) -> None:
    with pytest.raises(ValueError, match="need as many positive costs"):
        LinearModel.fit(("constant",), lambda arch: (1.0,), archs, costs)


def test_too_few_measured_subnets_are_refused(counter: ComplexityCounter, archs: list[Architecture]) -> None:
    with pytest.raises(TooFewFigures, match="4 different subnets are needed, and there are 3"):
        fit_memory(counter, archs[:3], [1.0, 2.0, 3.0], 1)
    with pytest.raises(TooFewFigures, match="there are 1"):
        fit_memory(counter, archs[:1] * 8, [1.0] * 8, 1)
