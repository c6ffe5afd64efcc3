"""Telemetry, throttling and the passes where the engine runs on a GPU that shares the processor's memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices import DeviceProfile
from harness.measuring import Store, Subject, explore, measure_energy, measure_further, measure_memory
from tests.boards.jetson import make_fake_jetson
from tests.boards.sysfs import FakeBoard, make_fake_sysfs
from tests.devices.faults import faulty_device
from tests.measuring.conftest import QUICK

pytestmark = pytest.mark.alone

SHORT = QUICK.model_copy(update={"energy_idle_s": 0.5, "energy_warmup_s": 0.1, "energy_steady_s": 0.8})

#: Calls `meanwhile(untimed)` after every visit of a round.
AFTER_VISITS = """
timed_visit = agent.server.Server._timed
def visited(self, handle, untimed, timed):
    samples = timed_visit(self, handle, untimed, timed)
    meanwhile(untimed)
    return samples
agent.server.Server._timed = visited
"""


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    jetson = make_fake_jetson(tmp_path / "jetson", "6")
    if jetson is None:
        pytest.skip("no C compiler to make a stand-in for the CUDA runtime with")
    for name, value in jetson.environment.items():
        monkeypatch.setenv(name, value)
    return make_fake_sysfs(jetson.root, "jetson-orin-nano")


@pytest.fixture
def tensorrt(profile: DeviceProfile) -> DeviceProfile:
    return profile.override(engines=("tensorrt",), protocol=SHORT)


def test_it_is_the_gpu_s_clock_that_throttles(
    tensorrt: DeviceProfile, board: FakeBoard, store: Store, tmp_path: Path, anchor: Subject
) -> None:
    clock = board.root / "sys/class/devfreq/17000000.gpu/cur_freq"
    fault = (
        "def meanwhile(untimed):\n"
        f"    open({str(clock)!r}, 'w').write('306000000' if untimed else '624000000')\n" + AFTER_VISITS
    )
    notices: list[str] = []
    with faulty_device(tensorrt, tmp_path / "state", fault) as device:
        assert device.describe().on_gpu
        found = explore(device, [], anchor, store=store, notice=notices.append)["wide"]
    assert (found.verdict, len(notices)) == ("throttled", SHORT.throttle_retries)
    assert found.reason == "the GPU's clock fell to 49% of what it was after warm-up"


def test_shared_memory_is_counted_once_by_what_the_machine_has_in_use(
    tensorrt: DeviceProfile, board: FakeBoard, store: Store, tmp_path: Path, narrow: Subject
) -> None:
    memory = board.root / "proc/meminfo"
    fault = (
        "load, n = agent.server.Server._load, 0\n"
        "def loaded(self, request, blob):\n"
        "    global n\n"
        "    n += 1\n"
        "    available = 4000000 if n == 1 else 3900000\n"
        f"    open({str(memory)!r}, 'w').write('MemTotal: 8000000 kB\\nMemAvailable: %d kB' % available)\n"
        "    return load(self, request, blob)\n"
        "agent.server.Server._load = loaded\n"
    )
    with faulty_device(tensorrt, tmp_path / "state", fault) as device:
        found = measure_memory(device, narrow, store=store)
    assert found.peak_mb == pytest.approx(102.4)
    assert "shared by processor and GPU" in found.method


def test_the_board_s_input_rail_is_the_sensor_of_a_gpu_s_engine(
    tensorrt: DeviceProfile, board: FakeBoard, store: Store, tmp_path: Path, narrow: Subject
) -> None:
    current = board.root / board.rail(0, 1, "curr")
    fault = (
        "import agent.energy\n"
        "run = agent.energy._run\n"
        "def running(*arguments):\n"
        f"    open({str(current)!r}, 'w').write('3000')\n"
        "    return run(*arguments)\n"
        "agent.energy._run = running\n"
    )
    with faulty_device(tensorrt, tmp_path / "state", fault) as device:
        found = measure_energy(device, narrow, store=store)
    assert (found.sensor, found.reason) == ("power_w", "")
    assert (found.idle_w, found.steady_w) == pytest.approx((6.0, 15.0))
    assert found.energy_mj is not None


def test_what_trtexec_does_in_its_own_process_cannot_be_seen(
    profile: DeviceProfile, board: FakeBoard, store: Store, tmp_path: Path, narrow: Subject
) -> None:
    outside = profile.override(engines=("trtexec",), sustained=True)
    with faulty_device(outside, tmp_path / "state", "pass") as device:
        costs = measure_further(device, narrow, store=store)
    assert [record.figure for record in costs.records] == [None, None, None]
    assert all("trtexec" in record.reason for record in costs.records)
