"""A run.json in which everything is there that may be."""

from __future__ import annotations

from harness.running.run_folder import BaselineRecord, Record
from harness.running.settings import RunSettings
from tests.report.cost_models import cost_model
from tests.report.test_comparisons import comparison

RECORD = Record(
    arguments=RunSettings(source="a", target="b", precisions=("fp32", "int8")),
    seed=3,
    started="2026-01-01T00:00:00+00:00",
    versions={"torch": "2.6.0"},
    data={"name": "digits", "digest": "0" * 64},
    weights={"source": "imagenet"},
    devices={"cpu": {"board": "a board", "threads": 1}},
    seconds={"adapt": 12.5},
    comparisons={"cpu": [comparison()]},
    cost_models={"cpu": cost_model(unseen=[])},
    builds={"cpu": {"0123456789ab": 0.1}},
    findings={"cpu": ["a fan stood still"]},
    baselines={"0123456789ab": BaselineRecord(name="resnet18")},
    source_accuracy={"1": 0.9},
    warnings=["slow"],
)
