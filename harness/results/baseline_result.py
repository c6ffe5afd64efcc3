"""What was found out about a baseline on one device."""

from __future__ import annotations

from dataclasses import dataclass

from devices import Precision
from harness.bank import Architecture
from harness.deployment import Answers
from harness.measuring import FurtherCosts, Measurement


@dataclass
class BaselineResult:
    """One network of another family on one device, in one precision and at one batch size."""

    name: str
    arch_id: str
    widths: Architecture
    macs: int
    params: int
    problem: str = ""
    """Why there is nothing to measure."""
    model_bytes: int | None = None
    answers: Answers | None = None
    measurement: Measurement | None = None
    costs: FurtherCosts | None = None

    def doubt(self, precision: Precision) -> str | None:
        """Say why the answers that the device gave rule it out; None where they do not."""
        return self.answers.doubt(precision, "PyTorch") if self.answers else None

    def add_further(self, costs: FurtherCosts) -> None:
        """Take in what it was found to cost beside latency."""
        self.costs = costs
