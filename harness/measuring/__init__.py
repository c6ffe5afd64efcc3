"""Measuring what subnets cost on a device, with raw samples kept and doubts said."""

from harness.measuring import fences, guards
from harness.measuring.between import anchor_medians_ns, by_anchor, slowdown, slowdown_of_anchors
from harness.measuring.conditions import Span
from harness.measuring.energy import EnergyRecord, measure_energy
from harness.measuring.further import FurtherCosts, measure_further
from harness.measuring.lost_line import with_one_reconnection
from harness.measuring.memory import MemoryRecord, measure_memory
from harness.measuring.nulltest import NullTest, null_test
from harness.measuring.paired import speedup
from harness.measuring.passes import OWN_PROCESS, PassRecord
from harness.measuring.process import running_s
from harness.measuring.protocol import explore, finalists
from harness.measuring.results import (
    LatencySummary,
    Measurement,
    MeasurementError,
    ProcessRecord,
    Subject,
    summarise,
    within_budget,
)
from harness.measuring.run_measurements import Measured, read_measurements, save_measurements
from harness.measuring.statistics import Interval, equality_tolerance
from harness.measuring.store import Store
from harness.measuring.sustained import SustainedRecord, measure_sustained
from harness.measuring.tables import StoreError

__all__ = [
    "OWN_PROCESS",
    "EnergyRecord",
    "FurtherCosts",
    "Interval",
    "LatencySummary",
    "Measured",
    "Measurement",
    "MeasurementError",
    "MemoryRecord",
    "NullTest",
    "PassRecord",
    "ProcessRecord",
    "Span",
    "Store",
    "StoreError",
    "Subject",
    "SustainedRecord",
    "anchor_medians_ns",
    "by_anchor",
    "equality_tolerance",
    "explore",
    "fences",
    "finalists",
    "guards",
    "measure_energy",
    "measure_further",
    "measure_memory",
    "measure_sustained",
    "null_test",
    "read_measurements",
    "running_s",
    "save_measurements",
    "slowdown",
    "slowdown_of_anchors",
    "speedup",
    "summarise",
    "with_one_reconnection",
    "within_budget",
]
