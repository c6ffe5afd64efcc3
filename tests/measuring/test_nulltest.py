import pytest

from devices import Device
from harness.measuring import MeasurementError, NullTest, Subject, null_test, nulltest
from harness.measuring.process import Pass

pytestmark = pytest.mark.alone


def test_a_network_is_not_found_to_differ_from_itself(device: Device, anchor: Subject) -> None:
    steps: list[tuple[int, int]] = []
    found = null_test(device, anchor, pairs=5, progress=lambda *step: steps.append(step))
    assert len(found.ratios) == 5
    assert found.low <= found.ratio <= found.high
    assert found.tolerance == pytest.approx(max(0.02, 3 / found.p50_us))
    assert 0.5 < found.ratio < 2
    assert steps == [(done, 5) for done in range(1, 6)]


@pytest.mark.parametrize(
    ("low", "high", "equivalent"), [(0.99, 1.01, True), (0.97, 1.01, False), (0.99, 1.03, False), (1.03, 1.04, False)]
)
def test_equivalence_is_the_whole_interval_within_the_tolerance(low: float, high: float, equivalent: bool) -> None:
    found = NullTest((1.0, 1.0), 1000.0, 0.01, (low + high) / 2, low, high, 0.02)
    assert found.equivalent is equivalent


def test_false_differences_are_pairs_beyond_the_tolerance_either_way() -> None:
    assert NullTest((0.9, 1.0, 1.01, 1.1), 1000.0, 0.01, 1.0, 0.99, 1.01, 0.02).false_differences == 0.5


def test_a_network_that_cannot_be_loaded_makes_no_null_test(device: Device, broken: Subject) -> None:
    with pytest.raises(MeasurementError, match="cannot be made: the engine failed"):
        null_test(device, broken)


def test_time_running_out_is_said(device: Device, anchor: Subject) -> None:
    with pytest.raises(MeasurementError, match="time ran out after 0 of 20 pairs"):
        null_test(device, anchor, time_limit_s=1e-9)


def test_time_running_out_while_networks_are_loaded_is_said_too(
    device: Device, anchor: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Pass(late={anchor.name: "time ran out before it was loaded"})
    monkeypatch.setattr(nulltest, "measure_process", lambda *_: late)
    with pytest.raises(MeasurementError, match="time ran out after 0 of 20 pairs"):
        null_test(device, anchor)
