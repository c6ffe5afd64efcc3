"""Power while nothing runs, and while one network runs without pause."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engines.contract import Array, Model
    from .telemetry import Telemetry

_STRETCH_S = 0.05  # runs in a row before the sensors may be read again
_PAUSE_S = 0.02
_KEPT = ("at_s", "power_w", "gpu_power_w", "energy_j")


def measure(
    model: Model, array: Array, telemetry: Telemetry, idle_s: float, warm_s: float, steady_s: float
) -> dict[str, Any]:
    """Return the readings of an idle and of a steady window.

    Each reading of the steady window, which running for `warm_s` leads up to, has `runs` and `busy_ns`: how many
    inferences had ended by then since the window began, and how long they took. Sensors are read between runs, in this
    thread. Raises `EngineError`.
    """
    idle = _idle(telemetry, idle_s)
    stretch = _run(model, array, telemetry, warm_s, 1)[1]
    steady, _ = _run(model, array, telemetry, steady_s, stretch)
    return {"idle": idle, "steady": steady}


def _idle(telemetry: Telemetry, seconds: float) -> list[dict[str, Any]]:
    readings = [_reading(telemetry)]
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        time.sleep(_PAUSE_S)
        readings += [_kept(reading) for reading in telemetry.due()]
    return [*readings, _reading(telemetry)]


def _run(
    model: Model, array: Array, telemetry: Telemetry, seconds: float, stretch: int
) -> tuple[list[dict[str, Any]], int]:
    """Run for so long; return the readings, and how many runs fit into a stretch."""
    readings = [dict(_reading(telemetry), runs=0, busy_ns=0)]
    runs, busy_ns = 0, 0
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s or not runs:
        samples = model.visit(array, 0, stretch).host
        runs, busy_ns = runs + stretch, busy_ns + sum(samples)
        readings += [dict(_kept(reading), runs=runs, busy_ns=busy_ns) for reading in telemetry.due()]
        stretch = max(1, min(10_000, int(_STRETCH_S * 1e9 * stretch / max(1, sum(samples)))))
    return [*readings, dict(_reading(telemetry), runs=runs, busy_ns=busy_ns)], stretch


def _reading(telemetry: Telemetry) -> dict[str, Any]:
    return _kept(telemetry.reading())


def _kept(reading: dict[str, Any]) -> dict[str, Any]:
    return {name: reading[name] for name in _KEPT}
