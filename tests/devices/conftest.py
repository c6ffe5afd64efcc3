from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devices import AgentProcess, Device, DeviceProfile, connect, load_profile
from tests.boards.jetson import FakeJetson, make_fake_jetson
from tests.boards.sysfs import make_fake_sysfs
from tests.devices.networks import write_network
from tests.devices.sensors import Make


@pytest.fixture
def profile() -> DeviceProfile:
    return load_profile("cpu")


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("networks") / "tiny.onnx")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The folder of what is kept of devices."""
    return tmp_path / "state"


@pytest.fixture
def device(profile: DeviceProfile, state: Path) -> Iterator[Device]:
    with connect(profile, state=state, lock_wait_s=0) as device:
        yield device


@pytest.fixture
def agent(device: Device) -> Iterator[AgentProcess]:
    with device.agent() as agent:
        yield agent


MakeBoard = Callable[[str], FakeJetson]


@pytest.fixture
def make_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeBoard:
    """Make a fake Jetson whose programs and packages every process finds that this test starts."""

    def make(jetpack: str) -> FakeJetson:
        board = make_fake_jetson(tmp_path / f"jetpack-{jetpack}", jetpack)
        if board is None:
            pytest.skip("no C compiler is here for the CUDA runtime's stand-in")
        for name, value in board.environment.items():
            monkeypatch.setenv(name, value)
        return board

    return make


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return write_network(tmp_path / "large.onnx", 16384)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a board's sysfs by the board's name."""
    return lambda name: make_fake_sysfs(tmp_path / name, name)
