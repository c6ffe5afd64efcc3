from __future__ import annotations

from pathlib import Path

import pytest

from devices import Device, DeviceProfile, connect
from devices.agent.telemetry import nvml
from devices.agent.telemetry.nvml import Gpu
from tests.boards.nvml import compile_library


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = compile_library(tmp_path_factory.mktemp("nvml"))
    if library is None:
        pytest.skip("no C compiler to make a stand-in for NVML with")
    return library


@pytest.fixture
def library(compiled: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(nvml, "_LIBRARY", str(compiled))
    return compiled


def test_what_the_library_answers_is_told_in_our_units(library: Path) -> None:
    gpu = Gpu()
    assert (gpu.name, gpu.driver, gpu.missing) == ("NVIDIA Fake", "550.54.15", None)
    assert gpu.read() == (1410.0, 41.0, 68.5, 3 * 2**30, [])


@pytest.mark.parametrize(
    ("bits", "reasons"),
    [
        ("0x1", []),
        ("0x2", []),
        ("0x4", []),
        ("0x8", ["hardware slowdown"]),
        ("0x60", ["thermal slowdown by the driver", "thermal slowdown by the hardware"]),
        ("0x80", ["power brake"]),
    ],
)
def test_only_what_slows_the_gpu_down_is_throttling(
    library: Path, monkeypatch: pytest.MonkeyPatch, bits: str, reasons: list[str]
) -> None:
    monkeypatch.setenv("FAKE_NVML_REASONS", bits)
    assert Gpu().read().throttling == reasons


def test_what_the_gpu_does_not_support_is_unknown(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_NVML_UNSUPPORTED", "1")
    gpu = Gpu()
    assert gpu.name == "NVIDIA Fake"
    assert gpu.read() == (None, None, None, None, [])


def test_an_old_library_without_a_function_is_used_for_the_rest(tmp_path: Path, library: Path) -> None:
    old = compile_library(tmp_path, old=True)
    nvml_library = nvml._LIBRARY
    try:
        nvml._LIBRARY = str(old)
        assert Gpu().read() == (1410.0, 41.0, 68.5, 3 * 2**30, [])
    finally:
        nvml._LIBRARY = nvml_library


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"FAKE_NVML_NO_DRIVER": "1"}, "is the driver running"),
        ({"FAKE_NVML_COUNT": "0"}, "finds no GPU"),
        ({"FAKE_NVML_COUNT": "5"}, "no access to GPU 4"),
        ({"FAKE_NVML_COUNT": "2", "FAKE_NVML_DIFFERENT": "1"}, "set CUDA_DEVICE_ORDER=PCI_BUS_ID"),
        ({"CUDA_VISIBLE_DEVICES": "1"}, "does not begin with the number of a GPU"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-12ab"}, "does not begin with the number of a GPU"),
    ],
)
def test_a_gpu_that_cannot_be_told_is_not_guessed(
    library: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], words: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    gpu = Gpu()
    assert gpu.missing is not None
    assert words in gpu.missing
    assert gpu.read() == (None, None, None, None, [])


def test_of_several_the_one_that_cuda_programs_use_is_taken(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_NVML_COUNT", "3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    assert Gpu().read().clock_mhz == 1430
    monkeypatch.setenv("FAKE_NVML_DIFFERENT", "1")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert Gpu().name == "NVIDIA Fake 2"


def test_without_the_library_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "_LIBRARY", "libabsent.so.1")
    gpu = Gpu()
    assert gpu.missing == "libabsent.so.1 cannot be loaded"
    assert gpu.read() == (None, None, None, None, [])


def test_the_agent_finds_the_library_where_the_linker_does(
    compiled: Path, profile: DeviceProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(compiled.parent))
    monkeypatch.setenv("FAKE_NVML_REASONS", "0x40")
    with connect(profile, state=tmp_path) as device, device.agent() as agent:
        found = device.describe()
        reading = agent.read_telemetry().reading
    assert (found.gpu, found.gpu_driver) == ("NVIDIA Fake", "550.54.15")
    assert "NVIDIA" not in found.board, "the engine runs on the processor"
    assert (reading.gpu_mhz, reading.gpu_power_w, reading.gpu_memory_used) == (1410, 68.5, 3 * 2**30)
    assert reading.temperatures_c["NVIDIA Fake"] == 41
    assert reading.gpu_throttling == ("thermal slowdown by the hardware",)


def test_a_machine_is_known_by_its_gpu_where_the_engine_runs_on_it(device: Device) -> None:
    from devices.device import _fingerprint

    found = device.description()
    host = found.host.model_copy(update={"gpu": "NVIDIA Fake"})
    engine = found.engines[0].model_copy(update={"engine": "torch"})
    there = _fingerprint(device.profile, found.model_copy(update={"host": host}), engine)
    assert there.board.endswith(", NVIDIA Fake")
    assert there.on_gpu
    assert not device.describe().on_gpu
