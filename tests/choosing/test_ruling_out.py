"""Planning: budgets that are ruled out before any search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.bank import create_bank
from harness.choosing.ruling_out import rule_out
from harness.costs import ComplexityCounter
from harness.measuring import Subject
from harness.search import (
    COMPUTE,
    LATENCY,
    MEMORY,
    MODEL_SIZE,
    Kind,
    parse_budgets,
)


class TestRulingOut:
    COUNTER = ComplexityCounter(create_bank("resnet8", ["a", "b"], (1, 16, 16)))

    def ruled_out(self, folder: Path, options: dict[Kind, str]) -> list[str]:
        """Rule budgets out where no device may be touched, and the smallest subnet's file has 25,310 bytes."""
        file = folder / "smallest.onnx"
        file.write_bytes(b"0" * 25_310)
        budgets = parse_budgets(options)
        device: Any = None
        store: Any = None
        found = rule_out(
            budgets, device, lambda arch: Subject("s", file, "t"), self.COUNTER, store, lambda done, total: None
        )
        return [str(miss) for miss in found]

    def test_an_exact_cost_rules_out_before_anything_is_measured(self, tmp_path: Path) -> None:
        (miss,) = self.ruled_out(tmp_path, {COMPUTE: "1/5000", LATENCY: "10", MEMORY: "30"})
        assert miss.startswith("budget 1/5000+10ms+30MB cannot be met: the smallest subnet needs 1/")

    def test_a_file_that_is_too_large_is_named_with_its_size(self, tmp_path: Path) -> None:
        (miss,) = self.ruled_out(tmp_path, {MODEL_SIZE: "0.02,0.03"})
        assert miss == "budget 0.02MB-model cannot be met: the smallest subnet's file needs 0.0254MB-model"

    def test_what_needs_no_measuring_needs_no_device(self, tmp_path: Path) -> None:
        assert self.ruled_out(tmp_path, {COMPUTE: "1,1/64"}) == []

    def test_what_is_left_needs_one(self, tmp_path: Path) -> None:
        with pytest.raises(AttributeError):
            self.ruled_out(tmp_path, {COMPUTE: "1/64", LATENCY: "10"})
