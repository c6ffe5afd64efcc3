"""Rows as the pipeline leaves them: a bank's candidates with measured latencies, finalists chosen among them."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np

from harness.report.rows import Row, columns

FULL = (32, 32, 64, 128, 32, 64, 128)
BUDGETS = ("1", "1/2", "1/4", "1/8", "1/16", "1/32", "1/64")


def row(**changes: Any) -> Row:
    """Return a measured, unselected row with some columns changed; ``flops`` follows ``macs``."""
    macs = changes.get("macs", 5_900_000)
    values: dict[str, Any] = {
        "device": "cpu",
        "engine": "onnxruntime",
        "engine_version": "1.31.1",
        "threads": 1,
        "precision": "fp32",
        "batch_size": 1,
        "arch_id": "0123456789ab",
        "widths": "32-32-64-128-32-64-128",
        "compute_fraction": min(1.0, macs / 5_900_000),
        "macs": macs,
        "flops": 2 * macs,
        "params": 310_000,
        "host_p50_ms": 0.1,
        "host_ci_low_ms": 0.098,
        "host_ci_high_ms": 0.103,
        "cost_source": "measured",
        "upem": 0.1,
    }
    return Row(**(values | changes))


def unmeasured(plain: Row, **changes: Any) -> Row:
    """Return the row without anything that only a measurement can know."""
    measured = {name: None for name in columns() if name.startswith(("host_", "sustained", "compute_p50", "first"))}
    return dataclasses.replace(plain, **({**measured, "cost_source": None} | changes))


def tradeoff(
    *,
    device: str = "cpu",
    speed: float = 1.0,
    labels: bool = False,
    candidates: int = 120,
    seed: int = 0,
    **changes: Any,
) -> list[Row]:
    """Return candidates over a bank's whole range, and a finalist for each budget; ``speed`` divides latency."""
    rng = np.random.default_rng(seed)
    noise = np.random.default_rng(abs(hash_of(device)) + seed)
    fractions = np.concatenate([np.exp(rng.uniform(np.log(1 / 70), 0, candidates)), 0.985 / 2.0 ** np.arange(7)])
    fractions[candidates] = 1.0
    rows = []
    for index, fraction in enumerate(fractions):
        finalist = index - candidates
        chosen = finalist >= 0
        macs = int(5_900_000 * fraction)
        upem = (
            0.0
            if finalist == 0
            else 0.03 + 0.11 * np.log2(1 / fraction) ** 0.8 / 2 + (0 if chosen else rng.gamma(2, 0.025))
        )
        latency = (0.018 + 0.1 * fraction**0.8) / speed * float(np.exp(noise.normal(0, 0.03 if chosen else 0.08)))
        correct = float(np.clip(0.84 - 0.28 * upem + rng.normal(0, 0.008), 0, 1))
        widths = tuple(max(1, round(width * fraction**0.5)) for width in FULL)
        known: dict[str, Any] = {
            "device": device,
            "arch_id": hashlib.sha256(f"{seed}:{index}".encode()).hexdigest()[:12],
            "widths": "-".join(map(str, widths)),
            "compute_fraction": macs / 5_900_000,
            "macs": macs,
            "host_p50_ms": latency,
            "host_ci_low_ms": latency * 0.97,
            "host_ci_high_ms": latency * 1.035,
            "upem": float(upem),
        }
        if chosen:
            known |= {"budget": BUDGETS[finalist], "selected": "yes", "within_budget": "yes", "chosen_by": "evolution"}
            known |= {"agreement": 1.0, "samples": 900, "rounds": 5, "processes": 6, "host_p99_ms": latency * 1.3}
        if labels and chosen:
            known |= {
                "target_accuracy": correct,
                "accuracy_ci_low": correct - 0.034,
                "accuracy_ci_high": correct + 0.03,
            }
        rows.append(row(**(known | changes)))
    return rows


def hash_of(text: str) -> int:
    """Return a number that is the same in every process."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
