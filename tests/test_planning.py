"""Planning: which searches budgets ask for, and budgets that are ruled out before any of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.bank import create_bank
from harness.costs import ComplexityCounter
from harness.measuring import Subject
from harness.planning import JOINT_SEARCHES, number_of_searches, rule_out, searches
from harness.search import (
    COMPUTE,
    LATENCY,
    MEMORY,
    MODEL_SIZE,
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


class TestRulingOut:
    COUNTER = ComplexityCounter(create_bank("resnet8", ["a", "b"], (1, 16, 16)))

    def ruled_out(self, folder: Path, options: dict[Kind, str]) -> list[str]:
        """Rule budgets out where no device may be touched, and the smallest subnet's file has 25,310 bytes."""
        file = folder / "smallest.onnx"
        file.write_bytes(b"0" * 25_310)
        budgets = parse_budgets(options)
        device: Any = None
        store: Any = None
        found = rule_out(
            budgets, device, lambda arch: Subject("s", file, "t"), self.COUNTER, store, lambda done, total: None
        )
        return [str(miss) for miss in found]

    def test_an_exact_cost_rules_out_before_anything_is_measured(self, tmp_path: Path) -> None:
        (miss,) = self.ruled_out(tmp_path, {COMPUTE: "1/5000", LATENCY: "10", MEMORY: "30"})
        assert miss.startswith("budget 1/5000+10ms+30MB cannot be met: the smallest subnet needs 1/")

    def test_a_file_that_is_too_large_is_named_with_its_size(self, tmp_path: Path) -> None:
        (miss,) = self.ruled_out(tmp_path, {MODEL_SIZE: "0.02,0.03"})
        assert miss == "budget 0.02MB-model cannot be met: the smallest subnet's file needs 0.0254MB-model"

    def test_what_needs_no_measuring_needs_no_device(self, tmp_path: Path) -> None:
        assert self.ruled_out(tmp_path, {COMPUTE: "1,1/64"}) == []

    def test_what_is_left_needs_one(self, tmp_path: Path) -> None:
        with pytest.raises(AttributeError):
            self.ruled_out(tmp_path, {COMPUTE: "1/64", LATENCY: "10"})
