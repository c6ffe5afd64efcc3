"""What profiling a device brought: the cost model, what it was fitted to, and what it is off by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from harness.bank import Architecture
from harness.costs import CostModel, HeldOutError, Observations, Prediction
from harness.measuring import Measurement
from harness.space import encode


@dataclass
class Profile:
    """What profiling a device brought."""

    model: CostModel
    observations: Observations
    measured: dict[Architecture, Measurement]
    """Whole networks, in the order in which they were measured."""
    held_out: HeldOutError
    """Of networks measured after the fit."""
    macs_only: HeldOutError
    """The same of a constant and the multiply-adds alone, for comparison."""
    params_only: HeldOutError
    unseen: dict[Architecture, float]
    """Those networks, and the milliseconds that were measured."""
    steps: dict[str, list[tuple[int, int]]]
    """Widths that cost nothing extra, by slot: see `find_steps`."""
    steps_beside: Architecture
    """What the other slots' widths were for that."""

    @property
    def record(self) -> dict[str, Any]:
        """What run.json keeps of it."""
        return {
            "anchor_ms": self.model.anchor_ms,
            "blocks": asdict(self.model.blocks),
            "layers": len(self.observations.layers),
            "networks": len(self.observations.networks),
            "spread": self.model.spread,
            "held_out": asdict(self.held_out),
            "macs_only": asdict(self.macs_only),
            "params_only": asdict(self.params_only),
            "unseen": [_beside(arch, self.model.predict(arch), ms) for arch, ms in self.unseen.items()],
            "steps": self.steps,
            "steps_beside": encode(self.steps_beside),
        }


def _beside(arch: Architecture, predicted: Prediction, measured_ms: float) -> dict[str, Any]:
    return {
        "widths": encode(arch),
        "predicted_ms": predicted.ms,
        "low_ms": predicted.low_ms,
        "high_ms": predicted.high_ms,
        "measured_ms": measured_ms,
    }
