from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.search import (
    COMPUTE,
    ENERGY,
    LATENCY,
    MEMORY,
    MODEL_SIZE,
    BudgetError,
    InfeasibleBudget,
    Kind,
    parse_budgets,
    parse_limits,
    split_feasible,
)
from harness.space import Architecture


def labels(**options: str) -> list[str]:
    kinds = {"compute": COMPUTE, "latency": LATENCY}
    return [budget.label for budget in parse_budgets({kinds[name]: text for name, text in options.items()})]


def test_limits_are_read_and_labelled_as_written() -> None:
    limits = parse_limits(COMPUTE, "1, 1/2,1/4,0.10,.05,1/64")
    assert [limit.label for limit in limits] == ["1", "1/2", "1/4", "0.1", "0.05", "1/64"]
    assert [limit.value for limit in limits] == [1, 0.5, 0.25, 0.1, 0.05, 1 / 64]
    limits = parse_limits(LATENCY, "20,10.0,2.50")
    assert [limit.label for limit in limits] == ["20ms", "10ms", "2.5ms"]
    assert [limit.value for limit in limits] == [20, 10, 2.5]


def test_a_limit_given_twice_counts_once() -> None:
    assert labels(compute="1/4,0.25,2/8,1/8") == ["1/4", "1/8"]


def test_alternatives_are_each_answered_and_options_hold_together() -> None:
    assert labels(compute="1/2,1/4", latency="20,10") == ["1/2+20ms", "1/2+10ms", "1/4+20ms", "1/4+10ms"]
    assert labels(latency="20,10") == ["20ms", "10ms"]


def test_default_budgets_apply_only_where_no_limit_is_given() -> None:
    default = ["1", "1/2", "1/4", "1/8", "1/16", "1/32", "1/64"]
    assert [budget.label for budget in parse_budgets({})] == default
    assert [budget.label for budget in parse_budgets({COMPUTE: None, LATENCY: None})] == default
    assert [budget.label for budget in parse_budgets({COMPUTE: None, LATENCY: "5"})] == ["5ms"]


@pytest.mark.parametrize(
    "text", ["", "1,", "x", "1/0", "0", "-1", "2", "3/2", "1e-3", "nan", "1/2/3", "½", "1//2", "0/4"]
)
def test_wrong_compute_budgets_are_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(
        BudgetError, match=r"^--budgets: .* is not a share of the full multiply-adds such as 1/8 or 0\.1$"
    ):
        parse_limits(COMPUTE, text)


@pytest.mark.parametrize("text", ["", "5ms", "0", "1/2", "inf", "1e9", "9" * 400, "5,,6"])
def test_wrong_latency_budgets_are_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(BudgetError, match=r"^--latency-ms: .* is not a positive number of milliseconds such as 10$"):
        parse_limits(LATENCY, text)


@given(st.integers(1, 10**9 - 1), st.integers(1, 10**9 - 1))
def test_a_fraction_keeps_its_value_and_its_label_reads_back(numerator: int, denominator: int) -> None:
    numerator, denominator = sorted((numerator, denominator))
    (limit,) = parse_limits(COMPUTE, f"{numerator}/{denominator}")
    assert limit.value == numerator / denominator
    assert parse_limits(COMPUTE, limit.label) == (limit,)


@given(st.decimals(min_value="0.000001", max_value=999_999_999, places=6))
def test_a_decimal_keeps_its_value_and_its_label_reads_back(number: object) -> None:
    (limit,) = parse_limits(LATENCY, f"{number:f}")
    assert limit.value == float(f"{number:f}")
    assert parse_limits(LATENCY, limit.text) == (limit,)


@given(st.text(alphabet="0123456789/.,-+e ms", max_size=12))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    for kind in (COMPUTE, LATENCY):
        try:
            limits = parse_limits(kind, text)
        except BudgetError:
            continue
        assert all(0 < limit.value <= (1 if kind is COMPUTE else 10**9) for limit in limits)


@pytest.mark.parametrize("kind", [COMPUTE, LATENCY])
@given(value=st.floats(1e-6, 1.0))
def test_the_limit_named_as_nearest_can_be_met(kind: Kind, value: float) -> None:
    (limit,) = parse_limits(kind, kind.show(value).removesuffix(kind.unit))
    assert value <= limit.value <= 1.1 * value


def test_costs_are_shown_as_a_person_would_write_them() -> None:
    assert [COMPUTE.show(value) for value in (1, 0.6, 0.15, 0.1, 1 / 49, 1 / 80, 0.0123)] == [
        *("1", "0.6", "0.15", "1/10", "1/49", "1/80", "1/81"),
    ]
    assert [LATENCY.show(value) for value in (123.4, 12, 3.1415, 0.0123)] == ["124ms", "12ms", "3.15ms", "0.0123ms"]


def test_infeasible_budgets_are_told_apart_before_the_search() -> None:
    budgets = parse_budgets({COMPUTE: "1/64,1/200"})
    possible, (miss,) = split_feasible(budgets, {COMPUTE: 1 / 80})
    assert possible == [budgets[0]]
    assert isinstance(miss, InfeasibleBudget)
    assert miss.budget == budgets[1]
    assert str(miss) == "budget 1/200 cannot be met: the smallest subnet needs 1/80"


def test_every_missed_limit_of_a_joint_budget_is_named() -> None:
    budgets = parse_budgets({COMPUTE: "1/2,1/200", LATENCY: "3"})
    possible, misses = split_feasible(budgets, {COMPUTE: 1 / 80, LATENCY: 3.2})
    assert possible == []
    assert [str(miss) for miss in misses] == [
        "budget 1/2+3ms cannot be met: the fastest subnet measured needs 3.2ms",
        "budget 1/200+3ms cannot be met: the smallest subnet needs 1/80 and the fastest subnet measured needs 3.2ms",
    ]


def test_what_was_not_measured_can_be_called_otherwise() -> None:
    (budget,) = parse_budgets({COMPUTE: "1/200", LATENCY: "3"})
    (miss,) = split_feasible([budget], {COMPUTE: 1 / 80, LATENCY: 3.2}, {LATENCY: "the smallest subnet, by estimate,"})[
        1
    ]
    assert str(miss).endswith("the smallest subnet needs 1/80 and the smallest subnet, by estimate, needs 3.2ms")


def test_a_budget_exactly_at_the_least_cost_is_feasible_and_unknown_costs_rule_nothing_out() -> None:
    budgets = parse_budgets({COMPUTE: "1/80"})
    assert split_feasible(budgets, {COMPUTE: 1 / 80}) == (list(budgets), [])
    assert split_feasible(budgets, {}) == (list(budgets), [])


def test_a_budget_allows_what_keeps_all_its_limits() -> None:
    (budget,) = parse_budgets({COMPUTE: "1/4", LATENCY: "10"})

    def allows(compute: float, latency: float) -> bool:
        return budget.allows((1,), {COMPUTE: lambda _: compute, LATENCY: lambda _: latency})

    assert allows(0.25, 10)
    assert not allows(0.26, 1)
    assert not allows(0.1, 10.1)
    assert not allows(0.1, math.nan)


def test_costs_known_exactly_are_looked_at_before_predicted_ones() -> None:
    (budget,) = parse_budgets({LATENCY: "10", MODEL_SIZE: "5"})

    def predicted(_: Architecture) -> float:
        raise AssertionError("the file is too large already")

    assert not budget.allows((1,), {LATENCY: predicted, MODEL_SIZE: lambda _: 6.0})


def test_every_limit_has_a_label_of_its_own_and_joint_ones_are_in_one_order() -> None:
    options = {ENERGY: "5", MODEL_SIZE: "30", MEMORY: "30", LATENCY: "10", COMPUTE: "1/64"}
    (budget,) = parse_budgets(options)
    assert budget.label == "1/64+10ms+30MB+30MB-model+5mJ"
    assert [kind.setting for kind in budget.kinds] == ["budgets", "latency_ms", "memory_mb", "model_mb", "energy_mj"]


@pytest.mark.parametrize("kind", [MEMORY, MODEL_SIZE, ENERGY])
@pytest.mark.parametrize("text", ["", "5MB", "0", "-1", "1/2", "nan", "5,,6"])
def test_other_wrong_limits_are_refused_in_one_sentence(kind: Kind, text: str) -> None:
    with pytest.raises(BudgetError, match=rf"^{kind.option}: .* is not a positive number of m"):
        parse_limits(kind, text)


def test_more_budgets_than_can_be_searched_for_are_refused() -> None:
    some = ",".join(str(value) for value in range(1, 9))
    assert len(parse_budgets({LATENCY: some, MEMORY: some})) == 64
    with pytest.raises(
        BudgetError, match=r"^--latency-ms and --memory-mb: 72 budgets in all are too many; .* 64 at most"
    ):
        parse_budgets({LATENCY: some + ",9", MEMORY: some})
