"""What was found out about the devices: of every architecture and baseline, as rows, and with accuracy."""

from harness.results.baseline_result import BaselineResult
from harness.results.cards import write_cards
from harness.results.device_results import MEGABYTE, DeviceResults
from harness.results.evaluation import held_out_accuracy, target_accuracy, with_target_accuracy
from harness.results.rows import rows_of
from harness.results.writing import write_down, write_report

__all__ = [
    "MEGABYTE",
    "BaselineResult",
    "DeviceResults",
    "held_out_accuracy",
    "rows_of",
    "target_accuracy",
    "with_target_accuracy",
    "write_cards",
    "write_down",
    "write_report",
]
