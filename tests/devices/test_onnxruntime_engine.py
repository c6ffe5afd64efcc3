"""ONNX Runtime's providers: which are there, and that none takes another's place in silence."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import onnxruntime as ort
import pytest

from devices import AgentProcess, Device, EngineFailed
from devices.agent.engines import onnxruntime_engine, workers
from devices.agent.engines.cache import EngineCache
from devices.agent.engines.contract import EngineError, Settings
from tests.devices.networks import write_quantised_network

pytestmark = pytest.mark.alone

SETTINGS = Settings(threads=1, precision="fp32", build=0, limit_s=60.0)
needs_none = pytest.mark.skipif("CUDAExecutionProvider" in ort.get_available_providers(), reason="a GPU build is here")


@needs_none
@pytest.mark.parametrize(
    ("engine", "provider"),
    [("onnxruntime-cuda", "CUDAExecutionProvider"), ("onnxruntime-tensorrt", "TensorrtExecutionProvider")],
)
def test_a_build_without_the_provider_says_so_and_what_it_has(agent: AgentProcess, engine: str, provider: str) -> None:
    (found,) = agent.describe([engine]).engines
    assert found.missing is not None
    assert f"has no {provider}, only " in found.missing
    assert "CPUExecutionProvider" in found.missing


@needs_none
@pytest.mark.parametrize("variant", ["cuda", "tensorrt"])
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_is_listed_but_does_not_start_is_an_error_and_not_the_processor(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    """The real runtime goes on with the processor then, having said so on standard error alone.

    Since version 1.15 it can be forbidden to; the second look is for those before.
    """
    everything = [*onnxruntime_engine.PROVIDERS.values()]
    cache = EngineCache(tmp_path / "engines", dict)
    with monkeypatch.context() as patch:
        patch.setattr(ort, "get_available_providers", lambda: everything)
        patch.setenv("NVIDIA_TF32_OVERRIDE", "1")
        engine = onnxruntime_engine.create(variant, cache)
    with pytest.raises(EngineError, match=r"ExecutionProvider could not take the network: .*fallback to CPU EP"):
        engine.load(str(network), SETTINGS)
    monkeypatch.setattr(onnxruntime_engine, "_gpu_session_options", onnxruntime_engine.session_options)
    with pytest.raises(EngineError, match=r"could not start its \w+ and took CPUExecutionProvider instead"):
        engine.load(str(network), SETTINGS)


def test_each_provider_offers_the_precisions_that_it_computes_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    monkeypatch.setattr(ort, "get_available_providers", lambda: [*onnxruntime_engine.PROVIDERS.values()])
    cache = EngineCache(tmp_path / "engines", dict)
    found = {name: onnxruntime_engine.create(name, cache).describe() for name in onnxruntime_engine.PROVIDERS}
    assert {name: what["precisions"] for name, what in found.items()} == {
        "cpu": ["fp32", "int8"],
        "cuda": ["fp32", "fp16"],
        "tensorrt": ["fp32", "fp16", "int8"],
    }
    assert set(found["cpu"]["refused"]) == {"fp16"}
    assert set(found["cuda"]["refused"]) == {"int8"}
    assert [name for name, what in found.items() if what.get("builds")] == ["tensorrt"]


def test_the_version_of_what_computes_on_a_gpu_names_the_libraries_beneath_and_the_processor_s_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    monkeypatch.setattr(ort, "get_available_providers", lambda: [*onnxruntime_engine.PROVIDERS.values()])
    monkeypatch.setattr(onnxruntime_engine, "versions_beneath", lambda binary: " of " + binary.name)
    cache = EngineCache(tmp_path / "engines", dict)
    assert {
        name: onnxruntime_engine.create(name, cache).describe()["version"] for name in ("cpu", "cuda", "tensorrt")
    } == {
        "cpu": ort.__version__,
        "cuda": f"{ort.__version__} of libonnxruntime_providers_cuda.so",
        "tensorrt": f"{ort.__version__} of libonnxruntime_providers_tensorrt.so",
    }


def test_the_processor_runs_a_quantised_network_and_refuses_half_precision(
    device: Device, agent: AgentProcess, network: Path, tmp_path: Path
) -> None:
    assert device.load(agent, write_quantised_network(tmp_path / "quantised.onnx"), "int8").finite
    with pytest.raises(
        EngineFailed, match=r"onnxruntime \S+ does not run fp16 here \(the processor's .*\); it runs fp32, int8"
    ):
        device.load(agent, network, "fp16")
    with pytest.raises(EngineFailed, match="no quantised layers"):
        device.load(agent, network, "int8")


class TestSeveralThreads:
    """Each thread has a core of its own, and a network's turn begins when the others' workers have stopped."""

    @pytest.fixture(autouse=True)
    def unpinned(self) -> Iterator[None]:
        before = os.sched_getaffinity(0)
        yield
        os.sched_setaffinity(0, before)

    @pytest.fixture
    def two_cores(self) -> set[int]:
        cores = os.sched_getaffinity(0)
        if len(cores) < 2:
            pytest.skip("needs two cores")
        return cores

    def test_the_caller_and_its_workers_are_bound_to_different_cores(self, network: Path, two_cores: set[int]) -> None:
        before = {thread.name for thread in Path("/proc/self/task").iterdir()}
        model = onnxruntime_engine.OnnxRuntimeEngine().load(str(network), SETTINGS._replace(threads=2))
        (own,) = os.sched_getaffinity(0)
        new = {int(thread.name) for thread in Path("/proc/self/task").iterdir() if thread.name not in before}
        deadline, bound = time.monotonic() + 10, set[int]()
        while not bound and time.monotonic() < deadline:  # a worker binds itself once it runs
            bound = {core for thread in new for core in os.sched_getaffinity(thread) if core != own}
            time.sleep(0.001)
        model.unload()
        assert own in two_cores
        assert len(bound) == 1

    def test_one_thread_is_left_where_the_system_puts_it(self, network: Path) -> None:
        before = os.sched_getaffinity(0)
        onnxruntime_engine.OnnxRuntimeEngine().load(str(network), SETTINGS)
        assert os.sched_getaffinity(0) == before

    def test_more_threads_than_cores_are_bound_to_none(self, network: Path) -> None:
        before = os.sched_getaffinity(0)
        assert workers.cores_for(len(before) + 1) == []
        onnxruntime_engine.OnnxRuntimeEngine().load(str(network), SETTINGS._replace(threads=len(before) + 1))
        assert os.sched_getaffinity(0) == before

    def test_physical_cores_come_before_their_siblings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
        monkeypatch.setattr(workers, "_physical", lambda core: str(core // 2))
        assert workers.cores_for(2) == [3, 1]
        assert workers.cores_for(3) == [3, 1, 2]

    def test_waiting_lasts_while_another_thread_runs_and_then_ends(self) -> None:
        block = bytes(1 << 26)
        thread = threading.Thread(target=hashlib.sha256, args=[block])  # some 30 ms, without the interpreter's lock
        thread.start()
        begin = time.monotonic()
        workers.wait_until_idle()
        assert time.monotonic() - begin > 0.005
        thread.join()
        begin = time.monotonic()
        workers.wait_until_idle()
        assert time.monotonic() - begin < 0.09

    def test_waiting_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(workers, "_others_run", lambda: True)
        begin = time.monotonic()
        workers.wait_until_idle()
        assert 0.1 <= time.monotonic() - begin < 5
