from collections.abc import Iterator
from pathlib import Path

import pytest

from devices import Device, DeviceProfile, Protocol, connect, load_profile
from harness.measuring import Store, Subject
from tests.devices.networks import write_network

QUICK = Protocol(warmup_seconds=0.01, process_seconds=0.01, visit_ms=1, half_width=0.9, cool_down_s=0)


@pytest.fixture
def profile() -> DeviceProfile:
    return load_profile("cpu").override(protocol=QUICK)


@pytest.fixture
def device(profile: DeviceProfile, tmp_path: Path) -> Iterator[Device]:
    with connect(profile, state=tmp_path / "state", lock_wait_s=0) as device:
        yield device


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.sqlite")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="session")
def anchor(folder: Path) -> Subject:
    return Subject("wide", write_network(folder / "wide.onnx", 512), "topology of wide")


@pytest.fixture(scope="session")
def narrow(folder: Path) -> Subject:
    return Subject("narrow", write_network(folder / "narrow.onnx", 4), "topology of narrow")


@pytest.fixture(scope="session")
def middle(folder: Path) -> Subject:
    return Subject("middle", write_network(folder / "middle.onnx", 64), "topology of middle")


@pytest.fixture(scope="session")
def broken(folder: Path) -> Subject:
    path = folder / "broken.onnx"
    path.write_bytes(b"not a network")
    return Subject("broken", path, "topology of broken")
