"""Peak memory of one subnet, in a fresh process: the increase over the runtime loaded without a model."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from devices import Device, Protocol
from devices.telemetry import MemoryReadings
from harness.measuring.passes import OWN_PROCESS, PassRecord, find_or_make
from harness.measuring.results import Subject
from harness.measuring.store import Store

_MB = 1e6


@dataclass(frozen=True, kw_only=True)
class MemoryRecord(PassRecord):
    """What a memory pass found."""

    kind: ClassVar[str] = "memory"

    peak_mb: float | None = None
    """The increase in megabytes (of a million bytes), process and device memory together; None where unknown."""
    method: str = ""
    """What was counted, in words."""
    readings: MemoryReadings | None = None

    @property
    def figure(self) -> float | None:
        """The peak."""
        return self.peak_mb

    def serves(self, protocol: Protocol) -> bool:
        """Return whether the network was run as often as `protocol` asks."""
        return self.protocol.memory_runs >= protocol.memory_runs


def measure_memory(device: Device, subject: Subject, *, store: Store, protocol: Protocol | None = None) -> MemoryRecord:
    """Load and run a subject in a fresh process and return by how much memory rose; reused where the store has it.

    What cannot be known, for whatever reason (a device that fails among them), is a record with the reason.
    """
    protocol = protocol or device.profile.protocol
    return find_or_make(
        MemoryRecord, device, subject, store, protocol, lambda: _measured(device, subject, protocol.memory_runs)
    )


def _measured(device: Device, subject: Subject, runs: int) -> dict[str, Any]:
    fingerprint = device.describe()
    if fingerprint.engine in OWN_PROCESS:
        return {"reason": f"{fingerprint.engine} runs the network in a process of its own, which cannot be watched"}
    with tempfile.TemporaryDirectory() as scratch:
        blank = write_blank(Path(scratch) / "blank.onnx")
        if fingerprint.on_gpu:
            with device.agent() as builder:  # to build an engine takes far more memory than to run it
                device.load(builder, blank, "fp32")
                device.load(builder, subject.file, subject.precision)
        with device.agent() as agent:
            readings = agent.measure_memory(
                device.put(subject.file),
                blank=device.put(blank),
                engine=device.engine,
                threads=device.profile.threads,
                precision=subject.precision,
                runs=runs,
            )
    if not readings.finite:
        return {"reason": "the engine answered with numbers that are not finite", "readings": readings}
    shared = device.description().host.l4t is not None
    return {"readings": readings, **count(readings, on_gpu=fingerprint.on_gpu, shared=shared)}


def count(readings: MemoryReadings, *, on_gpu: bool, shared: bool) -> dict[str, Any]:
    """Return `peak_mb` and `method`, or the `reason` why it cannot be told.

    A processor's engine: the process. A GPU with its own memory: the process and the GPU. A GPU that shares the
    processor's memory (`shared`): the machine's memory in use, in which both are counted, once.
    """
    process, gpu, machine = readings.process, readings.gpu, readings.machine
    if on_gpu and shared:
        if machine is None:
            return {"reason": "the memory in use on the device cannot be read"}
        rise = machine.peak - machine.baseline
        if rise <= 0:
            return {"reason": "memory in use on the machine did not rise: other programs may have given some back"}
        return {"peak_mb": rise / _MB, "method": "memory in use on the machine, shared by processor and GPU"}
    if process is None:
        return {"reason": "the memory of a process cannot be read on the device"}
    rise = max(0, process.peak - process.baseline)
    method = "resident memory of the process, " + ("the kernel's peak" if readings.exact else "seen between runs")
    if not on_gpu:
        return {"peak_mb": rise / _MB, "method": method}
    if gpu is None:
        return {"reason": "the memory in use on the GPU cannot be read"}
    rise += max(0, gpu.peak - gpu.baseline)
    return {"peak_mb": rise / _MB, "method": f"{method}, and memory in use on the GPU"}


def write_blank(path: Path) -> Path:
    """Write a network of a few parameters with the kinds of layers that ours have, and return its path."""
    rng = np.random.default_rng(0)
    weight, head = rng.normal(size=(8, 3, 3, 3)).astype(np.float32), rng.normal(size=(8, 2)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "weight"], ["features"]),
            helper.make_node("Relu", ["features"], ["active"]),
            helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("Gemm", ["flat", "head"], ["logits"]),
        ],
        "blank",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(head, "head")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
