"""Judging predictions against measurements that are in doubt themselves."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks.references import Reference, decided_order, perfect_rank


def references(true: list[float], noise: float, processes: int = 6, seed: int = 0) -> list[Reference]:
    rng = np.random.default_rng(seed)
    return [
        Reference((number,), 1.0, tuple(np.log(ratio) + noise * rng.standard_normal(processes)))
        for number, ratio in enumerate(true)
    ]


class TestReference:
    def test_an_error_is_counted_from_the_end_of_the_interval(self) -> None:
        (found,) = references([0.5], 0.02)
        assert found.beyond(found.ratio) == 0
        assert found.beyond(found.ratio * (1 + found.half_width / 4)) == 0
        assert found.beyond(2 * found.ratio) == pytest.approx(1 - found.half_width, abs=0.01)
        assert found.beyond(found.ratio / 2) == pytest.approx(0.5 - found.half_width, abs=0.01)


class TestDecidedOrder:
    TRUE = [0.1 + 0.01 * number for number in range(10)]  # noqa: RUF012 (never changed)

    def test_without_noise_every_pair_is_decided_and_the_true_order_agrees(self) -> None:
        assert decided_order(np.array(self.TRUE), references(self.TRUE, 1e-6)) == (45, 1.0)

    def test_the_reverse_order_disagrees_and_one_exchange_costs_two_pairs_in_all(self) -> None:
        found = references(self.TRUE, 1e-6)
        assert decided_order(-np.array(self.TRUE), found).agreement == -1
        exchanged = np.array(self.TRUE)
        exchanged[[3, 4]] = exchanged[[4, 3]]
        assert decided_order(exchanged, found).agreement == pytest.approx(1 - 2 / 45)

    def test_pairs_within_the_noise_are_not_decided(self) -> None:
        found = references([0.1] * 12, 0.02)
        assert decided_order(np.arange(12.0), found).pairs <= 12  # 5% of 66 would be 3
        none = decided_order(np.arange(12.0), references([0.1] * 12, 0.0))
        assert none.pairs == 0
        assert np.isnan(none.agreement)


class TestPerfectRank:
    def test_it_is_one_without_noise_and_what_the_truth_itself_has_with_noise(self) -> None:
        rng = np.random.default_rng(1)
        true = list(0.1 * np.exp(0.01 * rng.standard_normal(400)))
        assert perfect_rank(references(true, 1e-6)) == pytest.approx(1, abs=1e-3)
        noisy = references(true, 0.03)
        assert perfect_rank(noisy) == pytest.approx(spearmanr([r.ratio for r in noisy], true).statistic, abs=0.06)

    def test_nothing_but_noise_is_ranked_by_nobody(self) -> None:
        assert perfect_rank(references([0.1] * 400, 0.03)) < 0.4
