from __future__ import annotations

import math

import numpy as np
import pytest

from harness.search import COMPUTE, LATENCY, Candidate, ChosenBy, Cost, Kind, parse_budgets, select
from harness.space import Architecture
from tests.search.toy import SPACE, macs, score


def candidates(chosen_by: ChosenBy = "random") -> list[Candidate]:
    rng = np.random.default_rng(1)
    archs = dict.fromkeys([SPACE.full, SPACE.smallest, *(SPACE.sample(rng) for _ in range(60))])
    return [Candidate(arch, score(arch), macs(arch), chosen_by) for arch in archs]


def latency(arch: Architecture) -> float:
    """Milliseconds that do not follow the multiply-adds."""
    return 1 + sum(arch) / 20


COSTS: dict[Kind, Cost] = {COMPUTE: macs, LATENCY: latency}


def test_the_best_candidate_within_all_limits_is_selected_with_the_next_best_behind_it() -> None:
    pool = candidates()
    budgets = parse_budgets({COMPUTE: "1/4,1/16", LATENCY: "8,5"})
    selections, misses = select(pool, budgets, COSTS, runners_up=3)
    assert misses == []
    for selection, budget in zip(selections, budgets, strict=True):
        compute, milliseconds = (limit.value for limit in budget.limits)
        within = {c.arch: c.upem for c in pool if macs(c.arch) <= compute and latency(c.arch) <= milliseconds}
        chosen = [selection.best, *selection.runners_up]
        assert selection.budget == budget
        assert [c.upem for c in chosen] == sorted(within.values())[:4]
        assert all(c.arch in within for c in chosen)


def test_the_full_width_subnet_answers_wherever_it_is_affordable() -> None:
    (selection,), _ = select(candidates(), parse_budgets({COMPUTE: "1"}), COSTS)
    assert selection.best.arch == SPACE.full
    assert selection.best.upem == 0


def test_of_equal_scores_the_cheapest_is_selected() -> None:
    pool = [Candidate(c.arch, 0.5, c.cost, c.chosen_by) for c in candidates()]
    (selection,), _ = select(pool, parse_budgets({COMPUTE: "1"}), COSTS)
    assert selection.best.arch == SPACE.smallest


def test_an_architecture_found_twice_counts_once_for_whoever_found_it_first() -> None:
    pool = [*candidates(chosen_by="greedy"), *candidates(chosen_by="random")]
    (selection,), _ = select(pool, parse_budgets({COMPUTE: "1/8"}), COSTS, runners_up=5)
    chosen = [selection.best, *selection.runners_up]
    assert len({c.arch for c in chosen}) == 6
    assert {c.chosen_by for c in chosen} == {"greedy"}


def test_a_budget_that_no_candidate_meets_is_named_with_the_nearest_miss() -> None:
    pool = candidates()
    selections, (miss,) = select(pool, parse_budgets({LATENCY: "100,0.5"}), COSTS)
    assert [selection.budget.label for selection in selections] == ["100ms"]
    assert str(miss) == f"budget 0.5ms cannot be met: the nearest of {len(pool)} subnets needs 1.8ms"


def test_an_unknown_cost_meets_no_limit() -> None:
    known = candidates()[5]
    costs: dict[Kind, Cost] = {COMPUTE: macs, LATENCY: lambda arch: latency(arch) if arch == known.arch else math.nan}
    (selection,), _ = select(candidates(), parse_budgets({LATENCY: "100"}), costs)
    assert selection.best == known
    assert selection.runners_up == ()
    _, (miss,) = select(candidates(), parse_budgets({LATENCY: "0.1"}), costs)
    assert str(miss).endswith(f"needs {LATENCY.show(latency(known.arch))}")


def test_selecting_from_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no candidate was scored"):
        select([], parse_budgets({}), COSTS)
