"""Measuring what subnets cost on a device, with raw samples kept and doubts said."""

from harness.measuring.nulltest import NullTest, null_test
from harness.measuring.protocol import explore, finalists
from harness.measuring.results import (
    LatencySummary,
    Measurement,
    MeasurementError,
    ProcessRecord,
    Subject,
    within_budget,
)
from harness.measuring.store import Store, save_measurements

__all__ = [
    "LatencySummary",
    "Measurement",
    "MeasurementError",
    "NullTest",
    "ProcessRecord",
    "Store",
    "Subject",
    "explore",
    "finalists",
    "null_test",
    "save_measurements",
    "within_budget",
]
