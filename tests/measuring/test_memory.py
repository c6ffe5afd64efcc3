from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devices import Device, DeviceProfile
from devices.telemetry import MemoryReadings, Use
from harness.measuring import MemoryRecord, Store, Subject, measure_memory
from harness.measuring.memory import count, write_blank
from tests.devices.faults import faulty_device
from tests.devices.networks import write_heavy, write_network

MB = 10**6


def test_a_subnet_raises_memory_by_at_least_its_weights_and_is_measured_once(
    device: Device, store: Store, tmp_path: Path
) -> None:
    heavy = Subject("heavy", write_heavy(tmp_path / "heavy.onnx", 30), "heavy")
    found = measure_memory(device, heavy, store=store)
    assert found.peak_mb == pytest.approx(60, abs=10)
    assert (found.reason, found.method) == ("", "resident memory of the process, the kernel's peak")
    assert found.fingerprint == device.describe()
    again = measure_memory(device, Subject("re-adapted", heavy.file, "heavy"), store=store)
    assert again == found
    more = device.profile.protocol.model_copy(update={"memory_runs": 50})
    assert measure_memory(device, heavy, store=store, protocol=more).uid != found.uid


def test_a_subnet_of_a_few_weights_takes_next_to_nothing(device: Device, store: Store, narrow: Subject) -> None:
    found = measure_memory(device, narrow, store=store)
    assert found.peak_mb is not None
    assert 0 < found.peak_mb < 5


def test_what_cannot_be_loaded_has_a_reason_and_no_figure_and_is_tried_again(
    device: Device, store: Store, broken: Subject
) -> None:
    found = measure_memory(device, broken, store=store)
    assert found.peak_mb is None
    assert found.reason
    assert measure_memory(device, broken, store=store).uid != found.uid


def test_numbers_that_are_not_finite_are_no_figure(device: Device, store: Store, tmp_path: Path) -> None:
    nan = Subject("nan", write_network(tmp_path / "nan.onnx", 4, scale=float("nan")), "nan")
    found = measure_memory(device, nan, store=store)
    assert (found.peak_mb, "not finite" in found.reason) == (None, True)


def test_an_agent_that_dies_is_a_reason(profile: DeviceProfile, store: Store, tmp_path: Path, narrow: Subject) -> None:
    with faulty_device(profile, tmp_path, "agent.server.Server._memory = lambda *_: os.abort()") as device:
        found = measure_memory(device, narrow, store=store)
    assert found.peak_mb is None
    assert "signal 6" in found.reason
    assert store.latest(found.fingerprint, narrow, MemoryRecord) == found


def test_the_runtime_is_woken_up_by_a_network_that_it_can_run(device: Device, tmp_path: Path) -> None:
    with device.agent() as agent:
        assert device.load(agent, write_blank(tmp_path / "blank.onnx")).finite


class TestCount:
    def count(self, *, on_gpu: bool, shared: bool, **changes: Any) -> dict[str, Any]:
        values: dict[str, Any] = {
            "process": Use(baseline=100 * MB, peak=130 * MB, last=120 * MB),
            "gpu": Use(baseline=1000 * MB, peak=1200 * MB, last=1200 * MB),
            "machine": Use(baseline=3000 * MB, peak=3190 * MB, last=3190 * MB),
            "exact": True,
            "finite": True,
        }
        return count(MemoryReadings(**{**values, **changes}), on_gpu=on_gpu, shared=shared)

    def test_a_processor_s_engine_is_the_process(self) -> None:
        assert self.count(on_gpu=False, shared=False)["peak_mb"] == 30
        assert self.count(on_gpu=False, shared=True)["peak_mb"] == 30

    def test_a_gpu_with_its_own_memory_adds_it(self) -> None:
        found = self.count(on_gpu=True, shared=False)
        assert found["peak_mb"] == 230
        assert "and memory in use on the GPU" in found["method"]

    def test_memory_that_processor_and_gpu_share_is_counted_once(self) -> None:
        assert self.count(on_gpu=True, shared=True)["peak_mb"] == 190

    def test_a_peak_seen_between_runs_is_called_that(self) -> None:
        assert "seen between runs" in self.count(on_gpu=False, shared=False, exact=False)["method"]

    @pytest.mark.parametrize(
        ("on_gpu", "shared", "changes", "words"),
        [
            (False, False, {"process": None}, "of a process cannot be read"),
            (True, False, {"gpu": None}, "on the GPU cannot be read"),
            (True, True, {"machine": None}, "on the device cannot be read"),
            (True, True, {"machine": Use(baseline=5, peak=5, last=4)}, "did not rise"),
            (False, False, {"process": Use(baseline=5, peak=5, last=4)}, "did not rise"),
            (True, False, dict.fromkeys(("process", "gpu"), Use(baseline=5, peak=4, last=4)), "did not rise"),
        ],
    )
    def test_what_cannot_be_known_has_a_reason(
        self, on_gpu: bool, shared: bool, changes: dict[str, Any], words: str
    ) -> None:
        found = self.count(on_gpu=on_gpu, shared=shared, **changes)
        assert "peak_mb" not in found
        assert words in found["reason"]
