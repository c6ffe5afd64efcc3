"""The latency model: finds rates that exist, reports errors that are honest, refuses what it cannot fit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.bank import create_bank
from harness.costs import ComplexityCounter, LatencyFeatures, LatencyModel, TooFewMeasurements
from harness.space import Architecture

RATES = np.array([0.02, 10.0, 4.0, 0.0, 7.0, 0.1, 0.3])


@pytest.fixture(scope="module")
def features() -> LatencyFeatures:
    return LatencyFeatures(ComplexityCounter(create_bank("resnet8", ["a", "b"], (1, 16, 16))))


@pytest.fixture(scope="module")
def archs(features: LatencyFeatures) -> list[Architecture]:
    rng = np.random.default_rng(0)
    return [features.counter.space.sample(rng) for _ in range(40)]


def latencies(features: LatencyFeatures, archs: list[Architecture], noise: float = 0.0) -> list[float]:
    spread = np.exp(noise * np.random.default_rng(1).standard_normal(len(archs)))
    return [float(features(arch) @ RATES * factor) for arch, factor in zip(archs, spread, strict=True)]


def test_features_add_up_to_the_whole_subnet(features: LatencyFeatures) -> None:
    counter, arch = features.counter, features.counter.space.uniform(0.5)
    found = dict(zip(features.names, features(arch), strict=True))
    stages = [value for name, value in found.items() if name.startswith("GMAC of ")]
    assert found["constant"] == 1.0
    assert len(stages) == 4
    assert math.isclose(sum(stages), counter.macs(arch) / 1e9)
    assert math.isclose(found["MB of weights"], counter.params(arch) * 4 / 1e6)
    assert math.isclose(found["MB of activations"], counter.layer_activations(arch).sum() * 4 / 1e6)


def test_latencies_made_of_the_features_are_predicted_where_multiply_adds_alone_fail(
    features: LatencyFeatures, archs: list[Architecture]
) -> None:
    model = LatencyModel.fit(archs, latencies(features, archs), features)
    np.testing.assert_allclose(model.rates, RATES, rtol=1e-6, atol=1e-9)
    assert model.held_out.p90 < 1e-6
    assert model.held_out.rank_correlation == pytest.approx(1.0)
    assert model.macs_only.median > 0.02
    fresh = features.counter.space.sample(np.random.default_rng(9))
    assert model.predict_ms(fresh) == pytest.approx(float(features(fresh) @ RATES))


def test_the_held_out_error_is_that_of_architectures_never_seen(
    features: LatencyFeatures, archs: list[Architecture]
) -> None:
    measured = latencies(features, archs, noise=0.1)
    half = LatencyModel.fit(archs[:20], measured[:20], features)
    unseen = [abs(half.predict_ms(a) - t) / t for a, t in zip(archs[20:], measured[20:], strict=True)]
    assert 0.5 < half.held_out.median / float(np.median(unseen)) < 2.0
    assert half.held_out.median <= half.held_out.p90
    assert (half.rates >= 0).all()


def test_random_latencies_are_said_to_be_unpredictable(features: LatencyFeatures, archs: list[Architecture]) -> None:
    measured = np.random.default_rng(0).uniform(1.0, 10.0, len(archs)).tolist()
    model = LatencyModel.fit(archs, measured, features)
    assert model.held_out.median > 0.2
    assert abs(model.held_out.rank_correlation) < 0.5


def test_too_few_or_repeated_architectures_are_refused(features: LatencyFeatures, archs: list[Architecture]) -> None:
    needed = len(features.names) + 1
    measured = latencies(features, archs)
    LatencyModel.fit(archs[:needed], measured[:needed], features)
    with pytest.raises(TooFewMeasurements, match=f"at least {needed} different"):
        LatencyModel.fit(archs[: needed - 1], measured[: needed - 1], features)
    with pytest.raises(TooFewMeasurements, match="got 40 in 41 measurements"):
        LatencyModel.fit([*archs, archs[0]], [*measured, measured[0]], features)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_latencies_that_are_not_positive_numbers_are_refused(
    features: LatencyFeatures, archs: list[Architecture], bad: float
) -> None:
    measured = [*latencies(features, archs)[:-1], bad]
    with pytest.raises(ValueError, match="positive latencies"):
        LatencyModel.fit(archs, measured, features)
    with pytest.raises(ValueError, match="positive latencies"):
        LatencyModel.fit(archs, measured[:-1], features)
