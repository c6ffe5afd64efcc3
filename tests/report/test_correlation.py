from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.report.correlation import FEWEST, correlate, partial, pearson, spearman


def synthetic(count: int, seed: int = 0, own: float = 0.0) -> tuple[list[float], list[float], list[float]]:
    """UPEM and accuracy that follow log multiply-adds, and each other beyond that by `own`."""
    rng = np.random.default_rng(seed)
    log_macs = rng.uniform(10, 15, count)
    upem = 3 - 0.18 * log_macs + 0.05 * rng.normal(size=count)
    surprise = upem - (3 - 0.18 * log_macs)
    accuracy = 0.2 + 0.04 * log_macs - own * surprise + 0.01 * rng.normal(size=count)
    return list(upem), list(accuracy), list(np.exp(log_macs))


def test_pearson_and_its_interval_are_scipys() -> None:
    upem, accuracy, _ = synthetic(40)
    expected = stats.pearsonr(upem, accuracy)
    interval = expected.confidence_interval(0.95)
    ours = pearson(upem, accuracy)
    assert (ours.value, ours.low, ours.high) == pytest.approx((expected.statistic, interval.low, interval.high))


def test_partial_correlation_follows_the_recursion_formula() -> None:
    upem, accuracy, macs = synthetic(50, own=0.1)
    log_macs = np.log(macs)
    r = np.corrcoef([upem, accuracy, log_macs])
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / math.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    ours = partial(upem, accuracy, macs)
    assert ours.value == pytest.approx(expected)
    reach = stats.norm.ppf(0.975) / math.sqrt(50 - 1 - 3)
    assert (ours.low, ours.high) == pytest.approx(
        (math.tanh(math.atanh(expected) - reach), math.tanh(math.atanh(expected) + reach))
    )


def test_what_only_follows_compute_has_no_partial_correlation_and_what_does_more_has() -> None:
    upem, accuracy, macs = synthetic(400)
    assert pearson(upem, accuracy).high < -0.9
    nothing = partial(upem, accuracy, macs)
    assert nothing.low < 0 < nothing.high
    upem, accuracy, macs = synthetic(400, own=0.5)
    assert partial(upem, accuracy, macs).high < -0.8


def test_the_partial_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(400):
        upem, accuracy, macs = synthetic(30, seed=seed)
        interval = partial(upem, accuracy, macs)
        covered += interval.low <= 0 <= interval.high
    assert 0.92 <= covered / 400 <= 0.98


def test_correlations_are_given_within_groups_and_over_all() -> None:
    upem, accuracy, macs = synthetic(90, own=0.3)
    groups = [("1/2", "1/8", "1/64")[i % 3] for i in range(90)]
    rows = correlate(upem, accuracy, macs, groups)
    assert [(row.group, row.count) for row in rows] == [("1/2", 30), ("1/8", 30), ("1/64", 30), (None, 90)]
    assert rows[1].plain == pearson(upem[1::3], accuracy[1::3])
    assert rows[1].partial == partial(upem[1::3], accuracy[1::3], macs[1::3])
    assert rows[-1].plain == pearson(upem, accuracy)


def test_a_quantity_that_does_not_vary_has_no_correlation() -> None:
    upem, accuracy, macs = synthetic(20)
    assert math.isnan(pearson(upem, [0.5] * 20).value)
    assert math.isnan(partial(upem, [0.5] * 20, macs).high)
    assert math.isnan(partial(list(np.log(macs)), accuracy, macs).value), "nothing is left of log multiply-adds"


def test_equal_multiply_adds_change_nothing() -> None:
    upem, accuracy, _ = synthetic(20)
    assert partial(upem, accuracy, [1e6] * 20).value == pytest.approx(pearson(upem, accuracy).value)


def test_a_perfect_correlation_has_an_interval_without_width() -> None:
    values = [1.0, 2.0, 4.0, 8.0, 16.0]
    perfect = pearson(values, [-value for value in values])
    assert (perfect.value, perfect.low, perfect.high) == pytest.approx((-1, -1, -1))


def test_the_anchor_is_refused() -> None:
    upem, accuracy, macs = synthetic(20)
    with pytest.raises(ValueError, match="the anchor has UPEM 0 by construction and must be left out"):
        correlate([0.0, *upem[1:]], accuracy, macs, ["all"] * 20)


def test_what_cannot_be_correlated_is_refused_in_words() -> None:
    upem, accuracy, macs = synthetic(20)
    with pytest.raises(ValueError, match="sequences of one length"):
        pearson(upem, accuracy[1:])
    with pytest.raises(ValueError, match=f"at least {FEWEST} architectures, not 4"):
        pearson(upem[:4], accuracy[:4])
    with pytest.raises(ValueError, match="finite"):
        pearson([math.nan, *upem[1:]], accuracy)
    with pytest.raises(ValueError, match="must be positive"):
        partial(upem, accuracy, [0.0, *macs[1:]])
    with pytest.raises(ValueError, match="20 architectures, but 19 group names"):
        correlate(upem, accuracy, macs, ["all"] * 19)
    with pytest.raises(ValueError, match=f"at least {FEWEST} architectures, not 1"):
        correlate(upem, accuracy, macs, ["a"] * 19 + ["b"])


def test_spearman_is_scipys_with_the_interval_of_bonett_and_wright() -> None:
    upem, accuracy, _ = synthetic(40)
    r = stats.spearmanr(upem, accuracy).statistic
    reach = stats.norm.ppf(0.975) * math.sqrt((1 + r**2 / 2) / 37)
    ours = spearman(upem, accuracy)
    expected = (r, math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach))
    assert (ours.value, ours.low, ours.high) == pytest.approx(expected)
    assert correlate(upem, accuracy, [1.0 + i for i in range(40)], ["a"] * 40)[0].rank == ours


def test_spearman_does_not_change_with_a_monotone_change_of_scale() -> None:
    upem, accuracy, _ = synthetic(30)
    assert spearman(np.exp(upem), accuracy) == spearman(upem, accuracy)
