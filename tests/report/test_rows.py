import dataclasses

import pytest

from harness.report import columns

from .factory import row, unmeasured

CONTRACT = (
    "device, engine, engine_version, power_mode, threads, precision, batch_size, arch_id, widths, compute_fraction, "
    "macs, flops, params, model_bytes, host_p50_ms, host_ci_low_ms, host_ci_high_ms, host_p90_ms, host_p99_ms, "
    "sustained_p50_ms, compute_p50_ms, first_ms, samples, rounds, processes, throughput_ips, peak_memory_mb, "
    "energy_mj, predicted_ms, cost_source, upem, agreement, target_accuracy, accuracy_ci_low, accuracy_ci_high, "
    "budget, chosen_by, "
    "within_budget, on_front, selected, status, reason"
)


def test_columns_are_the_contract() -> None:
    assert columns() == tuple(CONTRACT.split(", "))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"host_p50_ms": 0.0}, "host_p50_ms"),
        ({"host_p50_ms": float("nan")}, "host_p50_ms"),
        ({"first_ms": -1.0}, "first_ms"),
        ({"predicted_ms": float("inf")}, "predicted_ms"),
        ({"upem": -0.1}, "upem"),
        ({"target_accuracy": 80.0}, "target_accuracy"),
        ({"compute_fraction": 1.5}, "compute_fraction"),
        ({"flops": 5_900_000}, "flops must be twice macs"),
        ({"precision": "fp8"}, "precision"),
        ({"status": "fine"}, "status"),
        ({"chosen_by": "luck"}, "chosen_by"),
        ({"arch_id": "0123456789AB"}, "arch_id"),
        ({"arch_id": "0123456789ab\n"}, "arch_id"),
        ({"widths": "32-0-64"}, "widths"),
        ({"device": " \n"}, "must not be blank"),
        ({"host_ci_low_ms": 0.2, "host_ci_high_ms": 0.3}, "enclose host_p50_ms"),
        ({"host_ci_low_ms": None}, "enclose host_p50_ms"),
        ({"accuracy_ci_low": 0.1, "accuracy_ci_high": 0.2}, "enclose target_accuracy"),
        ({"host_p99_ms": 0.05, "samples": 700}, "ascend"),
        ({"host_p99_ms": 0.2, "samples": 661}, "662 samples"),
        ({"host_p90_ms": 0.2, "samples": 63}, "64 samples"),
        ({"cost_source": "predicted", "predicted_ms": 0.1}, "go together"),
        ({"cost_source": None}, "go together"),
        ({"status": "failed", "reason": "no memory"}, "failed row has no host latency"),
        ({"status": "noisy"}, "needs a reason"),
        ({"within_budget": "yes"}, "needs a budget"),
        ({"selected": "yes"}, "selected and budget"),
        ({"budget": "1/2"}, "selected and budget"),
        ({"budget": "1/2;;10ms", "selected": "yes"}, "named once each"),
        ({"budget": "1/2;1/2", "selected": "yes"}, "named once each"),
        ({"on_front": "yes", "upem": None}, "on_front"),
    ],
)
def test_an_impossible_row_is_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        row(**changes)


def test_an_estimate_needs_its_prediction_and_shows_no_other_latency() -> None:
    with pytest.raises(ValueError, match="needs predicted_ms"):
        unmeasured(row(), cost_source="estimated")
    with pytest.raises(ValueError, match="host latencies need host_p50_ms"):
        unmeasured(row(), cost_source="estimated", predicted_ms=3.0, host_ci_low_ms=2.0, host_ci_high_ms=4.0)


def test_a_failure_keeps_a_reason_of_many_lines_as_one() -> None:
    failed = unmeasured(row(), status="failed", reason="Traceback:\n\tout of memory\x00\r\n")
    assert failed.reason == "Traceback: out of memory"


def test_budgets_are_split() -> None:
    assert row(budget="1/64;10ms+30MB", selected="yes").budgets == ("1/64", "10ms+30MB")
    assert row().budgets == ()


def test_a_row_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        row().upem = 0.0  # type: ignore[misc]
