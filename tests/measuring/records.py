"""Records as a device would have given them."""

import uuid
from collections.abc import Sequence
from typing import Any

from devices import Fingerprint, Protocol, Reading
from harness.measuring import MemoryRecord, ProcessRecord

FINGERPRINT = Fingerprint(
    device="cpu",
    board="board",
    cpu="cpu",
    machine="arm64",
    os_release="system 1, kernel 2",
    python="3.11.1",
    engine="onnxruntime",
    engine_version="1.20",
    engine_options="",
    power_mode="",
    threads=1,
    governor=None,
    physical_cores=None,
    logical_cores=4,
    boot_id=None,
)


def record(
    rounds_ns: Sequence[Sequence[int]] = ((10, 11, 12),) * 5,
    anchor_ns: Sequence[Sequence[int]] | None = None,
    **changes: Any,
) -> ProcessRecord:
    """Return a record of one process; the anchor took twice as long, where nothing else is said."""
    anchor = anchor_ns or [[2 * sample for sample in samples] for samples in rounds_ns]
    values: dict[str, Any] = {
        "uid": uuid.uuid4().hex,
        "kind": "finalist",
        "topology": "t",
        "precision": "fp32",
        "batch_size": 1,
        "fingerprint": FINGERPRINT,
        "protocol": Protocol(),
        "seed": 0,
        "recorded_at": "2024-01-01T00:00:00.000+00:00",
        "anchor_topology": "a",
        "load_ns": 5,
        "first_ns": 100,
        "warmup_runs": 10,
        "warmup_s": 1.0,
        "clock_mhz": None,
        "others_load": None,
    }
    return ProcessRecord(
        rounds_ns=tuple(map(tuple, rounds_ns)), anchor_ns=tuple(map(tuple, anchor)), **{**values, **changes}
    )


def memory(**changes: Any) -> MemoryRecord:
    """Return the record of a pass over memory."""
    values: dict[str, Any] = {
        "uid": "m1",
        "topology": "t",
        "precision": "fp32",
        "batch_size": 1,
        "fingerprint": FINGERPRINT,
        "protocol": Protocol(),
        "recorded_at": "2024-01-01T00:00:00.000+00:00",
    }
    return MemoryRecord(**{**values, **changes})


def reading(**changes: Any) -> Reading:
    """Return what the sensors of a machine without any would say, but for `changes`."""
    values: dict[str, Any] = {
        "at_s": 0.0,
        "took_s": 0.001,
        "cpu_mhz": None,
        "gpu_mhz": None,
        "temperatures_c": {},
        "rails_w": {},
        "power_w": None,
        "gpu_power_w": None,
        "energy_j": {},
        "memory_used": None,
        "gpu_memory_used": None,
        "load": None,
        "throttling": (),
        "gpu_throttling": (),
    }
    return Reading(**{**values, **changes})
