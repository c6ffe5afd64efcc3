from hypothesis import given
from hypothesis import strategies as st

from harness.measuring.conditions import Span, conditions_of
from tests.measuring.records import reading

numbers = st.floats(1, 1e4)


def test_no_readings_have_no_conditions() -> None:
    assert conditions_of([]) is None


@given(st.lists(st.none() | numbers, min_size=1, max_size=20))
def test_a_quantity_is_kept_as_where_it_began_ended_and_went(clocks: list[float | None]) -> None:
    found = conditions_of([reading(cpu_mhz=clock) for clock in clocks])
    known = [clock for clock in clocks if clock is not None]
    assert found is not None
    assert found.readings == len(clocks)
    assert found.cpu_mhz == (Span(known[0], min(known), max(known), known[-1]) if known else None)


def test_zones_and_rails_are_kept_by_name_even_where_they_fail_now_and_then() -> None:
    found = conditions_of(
        [
            reading(temperatures_c={"cpu": 40, "gpu": 41}, rails_w={"VDD_IN": 5}, power_w=5),
            reading(temperatures_c={"cpu": 50}, rails_w={"VDD_IN": 9}, power_w=9, memory_used=2_000_000),
            reading(temperatures_c={"cpu": 45, "PMIC-Die": 100}),
        ]
    )
    assert found is not None
    assert found.temperatures_c == {
        "cpu": Span(40, 40, 50, 45),
        "gpu": Span(41, 41, 41, 41),
        "PMIC-Die": Span(100, 100, 100, 100),
    }
    assert found.hottest_c == Span(41, 41, 50, 45)
    assert found.rails_w == {"VDD_IN": Span(5, 5, 9, 9)}
    assert found.power_w == Span(5, 5, 9, 9)
    assert found.memory_used_mb == Span(2, 2, 2, 2)


def test_every_reason_for_throttling_is_kept_once() -> None:
    found = conditions_of(
        [reading(throttling=("a",)), reading(throttling=("b", "a"), gpu_throttling=("hot",)), reading()]
    )
    assert found is not None
    assert (found.throttling, found.gpu_throttling) == (("a", "b"), ("hot",))


def test_what_reading_the_sensors_took_is_kept() -> None:
    found = conditions_of([reading(took_s=took) for took in (0.001, 0.002, 0.5)])
    assert found is not None
    assert found.reading_ms == 2.0
