"""Searching: which searches budgets ask for, and that joint budgets have their own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from harness.choosing.searching import JOINT_SEARCHES, number_of_searches, searches
from harness.search import (
    COMPUTE,
    LATENCY,
    MEMORY,
    STRATEGIES,
    Budget,
    Cost,
    Kind,
    parse_budgets,
    select,
)
from harness.space import Architecture
from tests.search.toy import macs, problem


def latency(arch: Architecture) -> float:
    """Milliseconds that depend on one width that multiply-adds hardly feel."""
    return 1 + arch[1] / 2 + arch[3] / 128


COSTS: dict[Kind, Cost] = {COMPUTE: macs, LATENCY: latency, MEMORY: lambda arch: float(sum(arch))}


class TestSearches:
    def test_limits_on_one_cost_share_a_search(self) -> None:
        budgets = parse_budgets({COMPUTE: "1,1/8,1/64"})
        (search,) = searches(budgets, COSTS, 100)
        assert (search.cost, search.limits, search.evaluations) == (macs, (1.0, 1 / 8, 1 / 64), 100)

    def test_every_joint_budget_has_one_of_its_load(self) -> None:
        budgets = parse_budgets({COMPUTE: "1/2,1/8", LATENCY: "5"})
        found = searches(budgets, COSTS, 100)
        assert [(search.limits, search.evaluations) for search in found] == [((1.0,), 100)] * 2
        arch = (32, 32, 64, 128)
        assert [search.cost(arch) for search in found] == [max(1 / share, 18 / 5) for share in (1 / 2, 1 / 8)]

    def test_many_joint_budgets_share_a_bounded_number_of_evaluations(self) -> None:
        budgets = parse_budgets({COMPUTE: "1,1/2,1/4,1/8,1/16,1/32,1/64", LATENCY: "9,8,7,6,5,4,3,2,1"})
        found = searches(budgets, COSTS, 100)
        assert len(found) == number_of_searches(budgets) == 63
        assert JOINT_SEARCHES * 100 - 63 < sum(search.evaluations for search in found) <= JOINT_SEARCHES * 100

    def test_as_many_are_announced_as_are_made(self) -> None:
        for options in ({}, {LATENCY: "5,6"}, {LATENCY: "5,6", MEMORY: "30"}):
            budgets = parse_budgets(options)
            assert number_of_searches(budgets) == len(searches(budgets, COSTS, 10))

    def test_joint_searches_lose_less_than_searches_of_each_cost_with_as_many_evaluations(self) -> None:
        def loss(joint: Budget, asked: Sequence[Budget], evaluations: int) -> float:
            candidates = [
                candidate
                for search in searches(asked, COSTS, evaluations)
                for strategy in STRATEGIES.values()
                for candidate in strategy(
                    problem(cost=search.cost, limits=search.limits, evaluations=search.evaluations)
                ).candidates
            ]
            return select(candidates, [joint], COSTS)[0][0].best.upem

        in_joint, alone = 0.0, 0.0
        for share, limit in itertools.product(("1/4", "1/8"), ("6", "4")):
            (joint,) = parse_budgets({COMPUTE: share, LATENCY: limit})
            in_joint += loss(joint, [joint], 120)
            alone += loss(joint, [*parse_budgets({COMPUTE: share}), *parse_budgets({LATENCY: limit})], 60)
        assert in_joint < 0.95 * alone
