"""What was found out about the devices: of every architecture and baseline, as rows, and with accuracy."""

from harness.results.baseline_result import BaselineResult
from harness.results.device_results import MEGABYTE, DeviceResults
from harness.results.evaluation import deployed_accuracy, held_out_accuracy, target_accuracy
from harness.results.rows import baseline_rows, rows_of, with_accuracy

__all__ = [
    "MEGABYTE",
    "BaselineResult",
    "DeviceResults",
    "baseline_rows",
    "deployed_accuracy",
    "held_out_accuracy",
    "rows_of",
    "target_accuracy",
    "with_accuracy",
]
