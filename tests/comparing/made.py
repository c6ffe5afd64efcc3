"""Run folders with made-up latencies: the files are those that a run writes, the samples are not measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from devices import Fingerprint
from harness.measuring import Measurement, ProcessRecord, Subject, save_measurements, summarise
from harness.report import Row, write_csv
from harness.running import RunSettings
from tests.measuring.records import FINGERPRINT, record
from tests.report.factory import row

FULL = "aaaaaaaaaaaa"
ANCHOR_US = 4000.0


def processes(
    us: float,
    *,
    seed: int,
    anchor_us: float = ANCHOR_US,
    noise: float = 0.003,
    count: int = 8,
    fingerprint: Fingerprint = FINGERPRINT,
    topology: str = "t",
) -> list[ProcessRecord]:
    """Return records of a subnet of this latency; every process swings by 5% together with its anchor."""
    rng = np.random.default_rng(seed)
    swing = np.exp(0.05 * rng.standard_normal(count))
    own, anchor = (level * swing * np.exp(noise * rng.standard_normal(count)) for level in (us, anchor_us))
    found = []
    for one, other in zip(own, own if topology == "a" else anchor, strict=True):
        visits = [((round(value * 1000),) * 9,) * 5 for value in (one, other)]
        found.append(record(*visits, fingerprint=fingerprint, topology=topology))
    return found


def rows_of(records: Sequence[ProcessRecord], **changes: Any) -> Row:
    """Return the row that a run writes of such records."""
    summary, latest = summarise(records), records[-1].fingerprint
    figures = {
        "device": latest.device,
        "engine_version": latest.engine_version,
        "host_p50_ms": summary.p50_ms,
        "host_ci_low_ms": summary.ci_low_ms,
        "host_ci_high_ms": summary.ci_high_ms,
        "first_ms": summary.first_ms,
        "samples": summary.samples,
        "rounds": summary.rounds,
        "processes": summary.processes,
    }
    return row(**{**figures, **changes})


def made_run(
    folder: Path,
    latencies_us: Mapping[str, float],
    *,
    seed: int,
    budgets: Mapping[str, str] | None = None,
    fingerprint: Fingerprint = FINGERPRINT,
    more: Sequence[Row] = (),
    **how: Any,
) -> Path:
    """Make a run that measured subnets, by arch_id, at these latencies; `budgets` are answered by those of an arch_id.

    The subnet `FULL` is the anchor itself.
    """
    rows, measurements = [*more], []
    for index, (arch_id, us) in enumerate(latencies_us.items()):
        topology = "a" if arch_id == FULL else hashlib.sha256(arch_id.encode()).hexdigest()
        own = processes(us, seed=1000 * seed + index, fingerprint=fingerprint, topology=topology, **how)
        answered = [budget for budget, name in (budgets or {}).items() if name == arch_id]
        chosen = {"budget": ";".join(answered), "selected": "yes", "within_budget": "yes"} if answered else {}
        rows.append(rows_of(own, arch_id=arch_id, **chosen))
        measurements.append(Measurement(Subject(arch_id, folder / "none.onnx", topology), tuple(own), "ok"))
    folder.mkdir()
    arguments = RunSettings().model_dump(mode="json")
    about = {"format": 1, "arguments": arguments, "seed": seed, "started": "2025-01-01T00:00:00+00:00", "versions": {}}
    (folder / "run.json").write_text(json.dumps(about))
    write_csv(rows, folder / "tradeoff.csv")
    save_measurements(measurements, folder / "measurements.sqlite")
    return folder
