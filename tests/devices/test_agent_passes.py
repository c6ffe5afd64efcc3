"""The passes for memory and energy, as the agent makes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devices import AgentProcess, Device, DeviceError, DeviceProfile
from devices.telemetry import MemoryReadings
from tests.boards.sysfs import RAPL, make_fake_sysfs
from tests.devices.faults import faulty_device
from tests.devices.networks import write_heavy, write_network

MB = 10**6


@pytest.fixture
def measure(device: Device, network: Path) -> Callable[[Path], MemoryReadings]:
    def measured(path: Path) -> MemoryReadings:
        with device.agent() as agent:
            return agent.measure_memory(
                device.put(path),
                blank=device.put(network),
                engine="onnxruntime",
                threads=1,
                precision="fp32",
                runs=5,
            )

    return measured


def rise(readings: MemoryReadings) -> float:
    assert readings.process is not None
    return (readings.process.peak - readings.process.baseline) / MB


def held(readings: MemoryReadings) -> float:
    assert readings.process is not None
    return (readings.process.last - readings.process.baseline) / MB


def test_a_network_raises_the_peak_by_what_its_weights_take(
    measure: Callable[[Path], MemoryReadings], tmp_path: Path
) -> None:
    small, large = (measure(write_heavy(tmp_path / f"{size}.onnx", size)) for size in (20, 60))
    assert small.exact, "the kernel's own peak is there to be had on Linux"
    assert held(small) == pytest.approx(20, abs=5)
    assert held(large) == pytest.approx(60, abs=5)
    # while it loads, ONNX Runtime holds the file's bytes beside the weights made from them
    assert rise(small) == pytest.approx(40, abs=10)
    assert rise(large) == pytest.approx(120, abs=10)


def test_a_tiny_network_takes_next_to_nothing(measure: Callable[[Path], MemoryReadings], network: Path) -> None:
    assert 0 <= rise(measure(network)) < 5


def test_where_the_kernel_keeps_no_peak_the_most_that_was_seen_is_told_as_such(
    profile: DeviceProfile, tmp_path: Path, network: Path
) -> None:
    heavy = write_heavy(tmp_path / "heavy.onnx", 40)
    fault = "import agent.peak_memory\nagent.peak_memory._reset_peak = lambda: False"
    with faulty_device(profile, tmp_path, fault) as device, device.agent() as agent:
        found = agent.measure_memory(
            device.put(heavy), blank=device.put(network), engine="onnxruntime", threads=1, precision="fp32", runs=1
        )
    assert not found.exact
    assert 40 < rise(found) < 160


def test_memory_is_measured_in_a_fresh_process_alone(device: Device, agent: AgentProcess, network: Path) -> None:
    device.load(agent, network)
    name = device.put(network)
    with pytest.raises(DeviceError, match="in a fresh process"):
        agent.measure_memory(name, blank=name, engine="onnxruntime", threads=1, precision="fp32", runs=1)


@pytest.mark.parametrize("runs", [0, 1001])
def test_senseless_numbers_of_runs_are_refused(agent: AgentProcess, device: Device, network: Path, runs: int) -> None:
    name = device.put(network)
    with pytest.raises(DeviceError, match="over 1 to"):
        agent.measure_memory(name, blank=name, engine="onnxruntime", threads=1, precision="fp32", runs=runs)


def test_an_energy_window_is_full_of_inferences_and_its_readings_count_them(
    profile: DeviceProfile, tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make_fake_sysfs(tmp_path / "board", "x86")
    monkeypatch.setenv("SLIMDA_AGENT_ROOT", str(board.root))
    counter = board.root / RAPL / "intel-rapl:0" / "energy_uj"
    fault = (
        "import agent.engines.onnxruntime_engine as e\n"
        "visit, used = e.OnnxRuntimeModel.visit, [0]\n"
        "def counted(self, array, untimed, timed):\n"
        "    used[0] += 1000 * timed\n"
        f"    open({str(counter)!r}, 'w').write(str(used[0]))\n"
        "    return visit(self, array, untimed, timed)\n"
        "e.OnnxRuntimeModel.visit = counted\n"
    )
    with faulty_device(profile, tmp_path, fault) as device, device.agent() as agent:
        model = device.load(agent, network)
        found = agent.measure_energy(model, idle_s=0.3, warm_s=0.1, steady_s=0.6)
    assert len(found.idle) >= 3
    assert len(found.steady) >= 4
    first, last = found.steady[0], found.steady[-1]
    assert last.at_s - first.at_s == pytest.approx(0.6, abs=0.3)
    assert (first.runs, first.busy_ns) == (0, 0)
    assert last.busy_ns / 1e9 > 0.7 * (last.at_s - first.at_s)
    runs = [reading.runs for reading in found.steady]
    assert runs == sorted(runs)
    joules = last.energy_j["package-0"][0] - first.energy_j["package-0"][0]
    assert joules == pytest.approx(1e-3 * last.runs)
    assert {reading.energy_j["package-0"][0] for reading in found.idle} == {5.0}


def test_senseless_windows_are_refused(agent: AgentProcess, device: Device, network: Path) -> None:
    model = device.load(agent, network)
    with pytest.raises(DeviceError, match="a window is of"):
        agent.measure_energy(model, idle_s=-1, warm_s=0, steady_s=1)


def test_a_network_that_answers_with_nan_is_said_to(device: Device, network: Path, tmp_path: Path) -> None:
    nan = write_network(tmp_path / "nan.onnx", scale=float("nan"))
    with device.agent() as agent:
        found = agent.measure_memory(
            device.put(nan), blank=device.put(network), engine="onnxruntime", threads=1, precision="fp32", runs=1
        )
    assert not found.finite
