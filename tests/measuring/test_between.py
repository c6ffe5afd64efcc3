"""The bootstrap between measurements made apart: it is right about as often as it says, with few processes too."""

from __future__ import annotations

import numpy as np

from harness.measuring.statistics import bootstrap_ratio


def test_equal_latencies_are_found_to_differ_in_hardly_more_than_one_case_of_twenty() -> None:
    rng = np.random.default_rng(0)
    found = [bootstrap_ratio(*np.exp(0.05 * rng.standard_normal((2, 6)))) for _ in range(200)]
    wrong = sum(not one.low <= 1 <= one.high for one in found if one)
    assert wrong <= 16  # plain percentiles are wrong in 25 of them


def test_a_difference_beyond_the_noise_is_found() -> None:
    rng = np.random.default_rng(0)
    before, after = (level * np.exp(0.02 * rng.standard_normal(6)) for level in (100.0, 110.0))
    found = bootstrap_ratio(before.tolist(), after.tolist())
    assert found is not None
    assert 1 < found.low < 1.1 < found.high


def test_a_single_process_tells_nothing_and_equal_ones_tell_all() -> None:
    assert bootstrap_ratio([1.0], [2.0, 2.0]) is None
    found = bootstrap_ratio([1.0, 1.0], [2.0, 2.0])
    assert found is not None
    assert (found.low, found.estimate, found.high) == (2.0, 2.0, 2.0)
