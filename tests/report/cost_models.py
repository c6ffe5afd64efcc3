"""Cost models as run.json keeps them."""

from __future__ import annotations

from typing import Any

from harness.report.cost_models import CostModelRecord

OWN = {"count": 21, "mean": 0.018, "p90": 0.041, "p99": 0.0612, "rank_correlation": 0.9912, "coverage": 20 / 21}


def cost_model(**changes: Any) -> CostModelRecord:
    """Return the model of a device that computes 16 channels at a time, with some of its figures changed."""
    alone = {"count": 21, "p90": 0.2, "p99": 0.3, "rank_correlation": 0.9, "coverage": None}
    values: dict[str, Any] = {
        "anchor_ms": 0.11,
        "blocks": {"size": 16, "align": 1},
        "layers": 300,
        "networks": 90,
        "spread": 0.01,
        "held_out": OWN,
        "macs_only": {**alone, "mean": 0.091},
        "params_only": {**alone, "mean": 2.4},
        "unseen": [unseen(0.01 * (place + 1)) for place in range(21)],
        "steps": {
            "stage1": [(4, 16), (18, 32)],
            "stage3": [(18, 32)],
            "stage1.block1.inner1": [(4, 16)],
        },
        "steps_beside": "14-14-28-56-14-28-56",
    }
    return CostModelRecord.model_validate(values | changes)


def unseen(measured_ms: float) -> dict[str, Any]:
    """Return a network that was predicted a tenth too slow."""
    ends = {"low_ms": 0.9 * measured_ms, "high_ms": 1.3 * measured_ms}
    return {"widths": "12-12-24", "predicted_ms": 1.1 * measured_ms, "measured_ms": measured_ms, **ends}
