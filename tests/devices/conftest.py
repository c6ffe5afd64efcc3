from collections.abc import Iterator
from pathlib import Path

import pytest

from devices import AgentProcess, Device, DeviceProfile, connect, load_profile
from tests.devices.networks import write_network


@pytest.fixture
def profile() -> DeviceProfile:
    return load_profile("cpu")


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("networks") / "tiny.onnx")


@pytest.fixture
def device(profile: DeviceProfile, tmp_path: Path) -> Iterator[Device]:
    with connect(profile, state=tmp_path / "state", lock_wait_s=0) as device:
        yield device


@pytest.fixture
def agent(device: Device) -> Iterator[AgentProcess]:
    with device.agent() as agent:
        yield agent
