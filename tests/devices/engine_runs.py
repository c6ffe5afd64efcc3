"""Agents with an engine of a board, what they should answer, and the engines they have built and kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime as ort

from devices import AgentProcess, Device, DeviceProfile, connect
from devices.process import Images
from devices.replies import EngineDescription
from tests.devices.networks import SHAPE

IMAGES = np.random.default_rng(1).normal(size=(3, *SHAPE[1:])).astype(np.float32)


@contextmanager
def fresh_agent(profile: DeviceProfile, state: Path) -> Iterator[tuple[Device, AgentProcess]]:
    with connect(profile, state=state, lock_wait_s=0) as device, device.agent() as agent:
        yield device, agent


def expected(network: Path) -> Images:
    session = ort.InferenceSession(network, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"image": image[None]})[0] for image in IMAGES])


def plans(state: Path) -> list[Path]:
    """Return the plans that are kept, the latest last."""
    return sorted((state / "local" / "engines").glob("*.plan"), key=lambda path: path.stat().st_mtime_ns)


def described(profile: DeviceProfile, state: Path, engine: str = "tensorrt") -> EngineDescription:
    with fresh_agent(profile, state) as (_, agent):
        return agent.describe([engine]).engines[0]
