"""Messages of the agent's line as they are when nothing is wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from devices import AgentProcess, Visit, load_profile
from devices.agent import wire
from devices.device import _fingerprint
from devices.replies import LoadedModel
from tests.devices.networks import SHAPE, write_network
from tests.devices.peers import still_server


class Exchange(NamedTuple):
    """What a request brings, and what the workstation does with it."""

    reply: dict[str, Any]
    blob: bytes
    used: Callable[[AgentProcess], object]


#: A board without sensors still has these.
READING: dict[str, Any] = {
    **{"at_s": 10.0, "took_s": 0.001, "cpu_mhz": 1500.0, "gpu_mhz": None, "power_w": 4.5, "gpu_power_w": None},
    **{"temperatures_c": {"cpu-thermal": 50.0}, "rails_w": {"VDD_IN": 4.5}, "energy_j": {"package-0": [1.0, 100.0]}},
    **{"memory_used": 10**9, "gpu_memory_used": None, "load": 0.5, "throttling": ["undervoltage"]},
    "gpu_throttling": [],
}
STATE = {"wall_s": 10.0, "busy_s": 3.0, "own_s": 1.0}
LOADED = {"handle": 1, "load_ns": 1000, "first_ns": 1000, "input_shape": list(SHAPE), "output_shape": [1, 4, 1, 1]}
USE = {"baseline": 10**8, "peak": 2 * 10**8, "last": 10**8}


def requests() -> list[dict[str, Any]]:
    """One of every operation, in an order in which all can be done."""
    load = {"file": "network.onnx", "engine": "onnxruntime", "threads": 1, "precision": "fp32"}
    asked: list[dict[str, Any]] = [
        {"op": "memory", **load, "blank": "network.onnx", "runs": 2},
        {"op": "describe", "engines": ["onnxruntime", "tensorrt"]},
        {"op": "load", **load, "build": 0, "limit_s": 10.0},
        {"op": "round", "visits": [[3, 1, 2], [3, 0, 1]], "reading": True},
        {"op": "telemetry"},
        {"op": "energy", "handle": 3, "idle_s": 0.0, "warm_s": 0.0, "steady_s": 0.0},
        {"op": "infer", "handle": 3},
        {"op": "unload", "handle": 3},
        {"op": "close"},
    ]
    return [{"v": wire.VERSION, "id": number, **fields} for number, fields in enumerate(asked, 1)]


def line(message: dict[str, Any] | bytes, blob: bytes = b"") -> bytes:
    """A message and its blob as they are sent; a message may be given as text."""
    if isinstance(message, bytes):
        return message + b"\n"
    announced = {**message, "blob": len(blob)} if blob else message
    return json.dumps(announced).encode() + b"\n" + (base64.b64encode(blob) + b"\n" if blob else b"")


def exchanges(work: Path) -> dict[str, Exchange]:
    """What the workstation hears of every operation, by its name."""
    server = still_server(work)
    write_network(work / "network.onnx")
    described, _ = server._answer({"v": wire.VERSION, "id": 1, "op": "describe", "engines": ["onnxruntime"]}, b"")
    power = {name: READING[name] for name in ("at_s", "power_w", "gpu_power_w", "energy_j")}
    steady = {**power, "runs": 5, "busy_ns": 1000}
    image = np.zeros(SHAPE, np.float32)
    windows = {"idle_s": 0.5, "warm_s": 0.0, "steady_s": 0.5}
    memory = {"process": USE, "gpu": None, "machine": USE, "exact": True, "finite": True}
    model = LoadedModel.model_validate({**LOADED, "finite": True})
    round_ = {"samples": [[5, 6]], "compute": [[4, 5]], "before": STATE, "after": STATE, "readings": [READING]}
    file: dict[str, Any] = {"engine": "onnxruntime", "threads": 1}
    found: dict[str, tuple[dict[str, Any], bytes, Callable[[AgentProcess], object]]] = {
        "describe": (described, b"", _described),
        "load": ({**LOADED, "finite": True, "visit_s": 0.0}, b"", lambda agent: agent.load("network.onnx", **file)),
        "round": (round_, b"", lambda agent: agent.run_round([Visit(1, 0, 2)], end_with_reading=True)),
        "infer": ({"shape": [1, 4, 1, 1]}, b"\0" * 16, lambda agent: agent.infer(model, image)),
        "telemetry": ({"reading": READING, "state": STATE}, b"", _momentary),
        "memory": (
            memory,
            b"",
            lambda agent: agent.measure_memory("a", blank="b", precision="fp32", runs=1, **file),
        ),
        "energy": (
            {"idle": [power, power], "steady": [steady, steady]},
            b"",
            lambda agent: agent.measure_energy(model, **windows),
        ),
        "failure": (
            {"ok": False, "kind": "engine", "message": "it fell", "handle": 1},
            b"",
            lambda agent: agent.unload(model),
        ),
    }
    frame = {"v": wire.VERSION, "id": 1, "ok": True}
    return {name: Exchange({**frame, **reply}, blob, used) for name, (reply, blob, used) in found.items()}


def _described(agent: AgentProcess) -> None:
    """Do with a description what a device does, and keep it as a run does."""
    found = agent.describe(["onnxruntime"])
    json.dumps(_fingerprint(load_profile("cpu"), found, found.engines[0]).model_dump(mode="json"), allow_nan=False)


def _momentary(agent: AgentProcess) -> None:
    found = agent.read_telemetry()
    found.state.others_load(found.state, 4)
    json.dumps([found.reading.hottest_c, found.reading.model_dump(mode="json")], allow_nan=False)
