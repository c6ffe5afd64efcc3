"""Which devices answer, and what was found on them: the `devices` command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel
from rich.box import SIMPLE_HEAD
from rich.table import Table

from devices import Device, DeviceBusy, DeviceError, DeviceProfile, RuntimeMissing, connect
from devices.replies import EngineDescription
from devices.telemetry import hottest
from harness.console import Console
from harness.running import Reached, side_by_side

#: How to get what an engine needs, by its name.
HOW_TO_GET = {
    "onnxruntime": "python3 -m pip install onnxruntime, on the device; where that is done in a virtual environment, "
    'name its Python in a profile of your own: python = "/home/me/venv/bin/python"',
    "onnxruntime-cuda": "the onnxruntime-gpu package: NVIDIA's build for Jetson, or pip install onnxruntime-gpu",
    "onnxruntime-tensorrt": "the onnxruntime-gpu package, beside TensorRT",
    "tensorrt": "on a Jetson: sudo apt install python3-libnvinfer (a part of JetPack); elsewhere: pip install tensorrt",
    "trtexec": "on a Jetson: sudo apt install libnvinfer-bin (a part of JetPack)",
    "torch": "pip install torch, in a build with CUDA",
}

Status = Literal["ready", "busy", "runtime missing", "not reachable", "no host"]


class Surveyed(BaseModel):
    """One profile, and what its device is, as far as it told."""

    device: str
    description: str
    host: str | None
    status: Status
    problem: str | None = None
    """Why it is not ready and what to do, in one sentence."""
    board: str | None = None
    system: str | None = None
    python: str | None = None
    power_mode: str | None = None
    temperature_c: float | None = None
    engines: tuple[EngineDescription, ...] = ()
    unknown: dict[str, str] = {}
    """What the device cannot tell, and why."""


def survey(profiles: Sequence[DeviceProfile], console: Console) -> list[Surveyed]:
    """Ask every device what it is; in the order of `profiles`."""
    found: dict[str, Surveyed] = {}
    reached = Reached()
    with console.stage("asking the devices") as advance:

        def ask(profile: DeviceProfile) -> None:
            found[profile.name] = _ask(profile, reached)
            advance(len(found), len(profiles))

        side_by_side(profiles, ask, reached.interrupt)
    return [found[profile.name] for profile in profiles]


def table(devices: Sequence[Surveyed]) -> Table:
    """Return what was found, a line for each device; what none of them tells has no column."""
    cells = [_cells(device) for device in devices]
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    told = [heading for heading in cells[0] if any(row[heading] for row in cells)]
    for heading in told:
        shown.add_column(heading, no_wrap=heading in ("Device", "Answers", "Hottest"), overflow="fold")
    for row in cells:
        shown.add_row(*(row[heading] or "–" for heading in told))
    return shown


def _cells(device: Surveyed) -> dict[str, str]:
    return {
        "Device": device.device,
        "Answers": device.status,
        "Board": device.board or "",
        "System": device.system or "",
        "Runtimes": "\n".join(f"{e.engine} {e.version}" for e in device.engines if e.missing is None),
        "Power mode": device.power_mode or "",
        "Hottest": "" if device.temperature_c is None else f"{device.temperature_c:.0f} °C",
    }


def what_is_missing(devices: Sequence[Surveyed]) -> list[str]:
    """Return, in a sentence each, what keeps devices from being ready and what could be added to those that are."""
    problems: dict[str, list[str]] = {}
    for device in devices:
        if device.problem:
            problems.setdefault(device.problem, []).append(device.device)
    lines = [f"{', '.join(names)}: {problem}" for problem, names in problems.items()]
    for device in devices:
        for engine in device.engines:
            if engine.missing is not None:
                lines.append(f"{device.device} lacks {engine.engine} ({engine.missing}): {HOW_TO_GET[engine.engine]}")
    return lines


def _ask(profile: DeviceProfile, reached: Reached) -> Surveyed:
    known = Surveyed(device=profile.name, description=profile.description, host=profile.host, status="ready")
    if not profile.is_local and profile.host is None:
        advice = 'add --device NAME --host USER@HOST here, or write host = "USER@HOST" into a profile of your own'
        return known.model_copy(update={"status": "no host", "problem": f"no host is named; {advice}"})
    try:
        with reached.add(connect(profile, lock_wait_s=0.0)) as device:
            return _described(known, device)
    except DeviceBusy as error:
        return known.model_copy(update={"status": "busy", "problem": str(error)})
    except DeviceError as error:
        return known.model_copy(update={"status": "not reachable", "problem": str(error)})


def _described(known: Surveyed, device: Device) -> Surveyed:
    description = device.description()
    host = description.host
    told = known.model_copy(
        update={
            "board": host.model or host.cpu,
            "system": host.system + (f", L4T {host.l4t}" if host.l4t else ""),
            "python": host.python,
            "power_mode": host.power_mode,
            "temperature_c": hottest(host.temperatures_c),
            "engines": description.engines,
            "unknown": host.missing,
        }
    )
    try:
        device.describe()
    except RuntimeMissing:
        problem = "none of the runtimes that its profile names is there; one is enough"
        return told.model_copy(update={"status": "runtime missing", "problem": problem})
    except DeviceError as error:
        return told.model_copy(update={"status": "not reachable", "problem": str(error)})
    return told
