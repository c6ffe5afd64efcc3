from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report import mark_front

from .factory import row, unmeasured

grid = st.tuples(st.integers(1, 6), st.integers(0, 6))


@settings(max_examples=60, deadline=None)
@given(points=st.lists(grid, min_size=1, max_size=25))
def test_the_front_is_what_no_other_row_beats(points: list[tuple[int, int]]) -> None:
    plain = [
        row(arch_id=f"{i:012x}", host_p50_ms=cost, host_ci_low_ms=None, host_ci_high_ms=None, upem=loss)
        for i, (cost, loss) in enumerate(points)
    ]
    beaten = [any(a <= x and b <= y and (a, b) != (x, y) for a, b in points) for x, y in points]
    assert [marked.on_front == "no" for marked in mark_front(plain)] == beaten


def test_latency_decides_over_multiply_adds_where_it_is_measured() -> None:
    few_but_slow = row(arch_id="a" * 12, macs=1_000_000, host_p50_ms=0.102, upem=0.2)
    many_but_fast = row(arch_id="b" * 12, macs=2_000_000, host_p50_ms=0.099, upem=0.1)
    assert [r.on_front for r in mark_front([few_but_slow, many_but_fast])] == ["no", "yes"]
    assert [r.on_front for r in mark_front([unmeasured(few_but_slow), unmeasured(many_but_fast)])] == ["yes", "yes"]


def test_a_latency_is_never_compared_with_multiply_adds() -> None:
    assert [r.on_front for r in mark_front([row(), unmeasured(row(arch_id="b" * 12), upem=0.0)])] == ["yes", "no"]


def test_failed_and_unscored_rows_are_off_the_front_whatever_they_were() -> None:
    failed = unmeasured(row(upem=0.0), status="failed", reason="no memory")
    assert [r.on_front for r in mark_front([failed])] == ["no"]
    assert [r.on_front for r in mark_front([row(upem=None)])] == ["no"]
    assert [r.on_front for r in mark_front([row(on_front="yes", upem=0.3), row(upem=0.1)])] == ["no", "yes"]


def test_devices_and_batch_sizes_have_fronts_of_their_own() -> None:
    slow = row(device="pi", host_p50_ms=9.0, host_ci_low_ms=None, host_ci_high_ms=None)
    batch = row(batch_size=8, host_p50_ms=0.5, host_ci_low_ms=None, host_ci_high_ms=None)
    assert [r.on_front for r in mark_front([slow, batch, row()])] == ["yes"] * 3
    assert mark_front([]) == []
