import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.words import (
    count,
    digits,
    duration,
    interval,
    limit,
    loosest_first,
    part_of_full,
    percent,
    round_count,
    time_unit,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.012345, "0.0123"), (9.999, "10.0"), (99.96, "100"), (123.4, "123"), (1234.5, "1234")],
)
def test_three_digits_are_shown(value: float, text: str) -> None:
    assert digits(value) == text


@given(st.floats(1e-9, 1e9))
def test_three_digits_stay_within_half_a_percent(value: float) -> None:
    assert float(digits(value)) == pytest.approx(value, rel=0.0051)


def test_counts_carry_metric_prefixes() -> None:
    assert [count(n) for n in (999, 5_903, 999_999, 5_900_000, 4_087_000_000)] == [
        "999",
        "5.90 k",
        "1.00 M",
        "5.90 M",
        "4.09 G",
    ]
    assert [round_count(n) for n in (500, 5e3, 1.05e6, 2e10)] == ["500", "5 k", "1.05 M", "20 G"]


def test_latencies_get_the_unit_that_keeps_them_readable() -> None:
    assert time_unit([0.02, 0.12]).name == "µs"
    assert time_unit([2.0, 30.0]).name == time_unit([]).name == "ms"
    assert time_unit([3000.0]).name == "s"
    assert [duration(ms) for ms in (0.05, 1, 0.1 + 0.2, 2000)] == ["50 µs", "1 ms", "300 µs", "2 s"]


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((84.12, 86.04), "84.1–86.0"),
        ((111.1, 118.6), "111–119"),
        ((1.0021, 1.0034), "1.002–1.003"),
        ((5.0, 5.0), "5.00–5.00"),
    ],
)
def test_interval_ends_can_be_told_apart(ends: tuple[float, float], text: str) -> None:
    assert interval(*ends) == text


def test_a_percentage_is_whole_only_if_it_is_all() -> None:
    assert [percent(share) for share in (2.616, 1.0, 0.99999, 0.8012, 0.0)] == [
        *("262%", "100%", "99.9%", "80.1%", "0.0%")
    ]


def test_a_part_of_the_full_width_is_a_fraction_and_more_than_that_a_multiple() -> None:
    assert [part_of_full(share) for share in (1.0, 0.122, 2.616)] == ["1/1.0", "1/8.2", "2.6x"]


def test_limits_are_understood() -> None:
    assert [limit(b) for b in ("1/64", "0.25", "10ms", "30MB", "30MB-model", "5mJ")] == [
        (1 / 64, ""), (0.25, ""), (10.0, "ms"), (30.0, "MB"), (30.0, "MB-model"), (5.0, "mJ"),
    ]  # fmt: skip
    assert [limit(b) for b in ("1/0", "10ms+30MB", "many", "1.2.3ms", "5kg")] == [None] * 5


def test_budgets_run_from_the_loosest_to_the_tightest() -> None:
    assert loosest_first(["5ms", "1/16", "1", "10ms+30MB", "20ms", "1/2"]) == [
        "1",
        "1/2",
        "1/16",
        "20ms",
        "5ms",
        "10ms+30MB",
    ]
