import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
import psutil
import pytest

from devices import (
    AgentLost,
    AgentProcess,
    Device,
    DeviceError,
    DeviceProfile,
    EngineFailed,
    Visit,
    connect,
)
from devices.agent import host
from devices.agent.files import Files
from devices.bundle import agent_zipapp
from tests.devices.faults import faulty_device
from tests.devices.networks import SHAPE, write_network


def test_the_fingerprint_says_what_was_measured_on(device: Device) -> None:
    found = device.describe()
    assert found.engine_version == ort.__version__
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert found.logical_cores == os.cpu_count()
    assert found.board
    assert found.os_release
    assert found.threads == device.profile.threads


def test_a_round_returns_every_timed_run_of_every_visit_in_the_order_asked(
    device: Device, agent: AgentProcess, network: Path, tmp_path: Path
) -> None:
    small, large = device.load(agent, network), device.load(agent, write_network(tmp_path / "large.onnx", 16384))
    result = agent.run_round([Visit(large.handle, 2, 7), Visit(small.handle, 0, 9), Visit(large.handle, 1, 3)])
    assert [len(samples) for samples in result.samples] == [7, 9, 3]
    assert min(map(min, result.samples)) > 0
    assert np.median(result.samples[0]) > np.median(result.samples[1])
    assert result.after.wall_s > result.before.wall_s


def test_outputs_equal_the_runtime_s_own_for_any_number_of_images(device: Device, tmp_path: Path) -> None:
    network = write_network(tmp_path / "batch.onnx", 6, batch=4)
    images = np.random.default_rng(0).normal(size=(10, *SHAPE[1:])).astype(np.float32)
    session = ort.InferenceSession(network, providers=["CPUExecutionProvider"])
    padded = np.concatenate([images, np.zeros((2, *SHAPE[1:]), np.float32)])
    expected = np.concatenate([session.run(None, {"image": padded[i : i + 4]})[0] for i in (0, 4, 8)])[:10]
    np.testing.assert_array_equal(device.infer(network, images), expected)


def test_a_file_that_is_no_network_fails_and_the_agent_goes_on(
    device: Device, agent: AgentProcess, network: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(EngineFailed):
        device.load(agent, tmp_path / "broken.onnx")
    assert device.load(agent, network).finite


def test_an_output_that_is_not_finite_is_noticed_at_loading(
    device: Device, agent: AgentProcess, tmp_path: Path
) -> None:
    assert not device.load(agent, write_network(tmp_path / "nan.onnx", scale=float("nan"))).finite


def test_of_every_engine_asked_about_the_agent_says_what_it_is_or_why_it_is_missing(agent: AgentProcess) -> None:
    known, unknown = agent.describe(["onnxruntime", "tvm"]).engines
    assert (known.engine, known.missing, known.version) == ("onnxruntime", None, ort.__version__)
    assert "fp32" in known.precisions
    assert unknown.engine == "tvm"
    assert unknown.missing is not None
    assert "no engine is called 'tvm'" in unknown.missing


def test_an_agent_killed_in_the_middle_of_a_round_is_a_device_error_that_says_so(
    device: Device, agent: AgentProcess, tmp_path: Path
) -> None:
    model = device.load(agent, write_network(tmp_path / "large.onnx", 1024))
    threading.Timer(0.3, os.kill, (agent.pid, signal.SIGKILL)).start()
    with pytest.raises(AgentLost, match=r"ended during 'round' \(signal 9\)"):
        agent.run_round([Visit(model.handle, 0, 50_000)])


def test_a_dying_agent_s_last_words_are_in_the_error(profile: DeviceProfile, tmp_path: Path) -> None:
    device = faulty_device(profile, tmp_path, "sys.exit('no such instruction')")
    with device, pytest.raises(DeviceError, match=r"cannot say what it is: .*exit status 1.*no such instruction"):
        device.describe()


def test_garbage_on_the_line_is_a_device_error_and_leaves_no_process(profile: DeviceProfile, tmp_path: Path) -> None:
    with faulty_device(profile, tmp_path, r"os.write(1, b'Welcome to this board!\n')") as device:
        with device.agent() as agent, pytest.raises(AgentLost, match="cannot be understood"):
            agent.describe(["onnxruntime"])
        assert not psutil.pid_exists(agent.pid)


def test_an_answer_without_sense_is_a_device_error(profile: DeviceProfile, tmp_path: Path) -> None:
    fault = "agent.server.Server._load = lambda *_: ({'handle': 'seven'}, b'')"
    with faulty_device(profile, tmp_path, fault) as device, device.agent() as agent:
        (tmp_path / "any").write_bytes(b"")
        with pytest.raises(DeviceError, match="makes no sense: handle"):
            device.load(agent, tmp_path / "any")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("load_ns=-1", "load_ns"),
        ("first_ns=-1", "first_ns"),
        ("first_ns=10**30", "first_ns"),
        ("visit_s=1e300", "visit_s"),
        ("input_shape=[]", "input_shape"),
        ("input_shape=[0, 1, 8, 8]", "input_shape"),
    ],
)
def test_a_loaded_network_without_sense_is_a_device_error(
    profile: DeviceProfile, tmp_path: Path, network: Path, change: str, key: str
) -> None:
    fault = (
        f"load = agent.server.Server._load\nagent.server.Server._load = lambda *a: (dict(load(*a)[0], {change}), b'')"
    )
    with faulty_device(profile, tmp_path, fault) as device, pytest.raises(DeviceError, match=f"makes no sense: {key}"):
        device.infer(network, np.zeros(SHAPE, np.float32))


@pytest.mark.parametrize("key", ["at_s", "took_s"])
def test_a_number_too_large_to_be_one_is_not_kept(profile: DeviceProfile, tmp_path: Path, key: str) -> None:
    """JSON knows no infinity, but 1e999 is read as one, and a record that holds it could not be read again."""
    fault = (
        "read = agent.server.Telemetry.reading\n"
        f"agent.server.Telemetry.reading = lambda self: dict(read(self), {key}=7e77)\n"
        "dumps = agent.wire.json.dumps\n"
        "agent.wire.json.dumps = lambda *a, **k: dumps(*a, **k).replace('7e+77', '7e777')"
    )
    sense = pytest.raises(DeviceError, match=f"makes no sense: reading.{key}")
    with faulty_device(profile, tmp_path, fault) as device, device.agent() as agent, sense:
        agent.read_telemetry()


def test_a_round_without_the_reading_that_was_asked_for_is_a_device_error(
    profile: DeviceProfile, tmp_path: Path, network: Path
) -> None:
    fault = "agent.server.Telemetry.due = lambda self, insist=False: []"
    with faulty_device(profile, tmp_path, fault) as device, device.agent() as agent:
        model = device.load(agent, network)
        with pytest.raises(DeviceError, match="without the reading"):
            agent.run_round([Visit(model.handle, 0, 1)], end_with_reading=True)


def test_the_description_of_another_engine_is_a_device_error(profile: DeviceProfile, tmp_path: Path) -> None:
    fault = "agent.server.Engines.describe = lambda *_: {'engine': 'sundial', 'missing': 'the sun'}"
    with faulty_device(profile, tmp_path, fault) as device, pytest.raises(DeviceError, match="other engines"):
        device.description()


def test_a_network_whose_first_inference_fails_is_not_kept_in_memory(
    profile: DeviceProfile, tmp_path: Path, network: Path
) -> None:
    unloaded = tmp_path / "unloaded"
    fault = (
        "import agent.engines.onnxruntime_engine as e\n"
        "from agent.engines.contract import EngineError\n"
        "def infer(self, array):\n    raise EngineError('no')\n"
        "e.OnnxRuntimeModel.infer = infer\n"
        f"e.OnnxRuntimeModel.unload = lambda self: open({str(unloaded)!r}, 'w').close()"
    )
    with faulty_device(profile, tmp_path / "state", fault) as device, device.agent() as agent:
        with pytest.raises(EngineFailed, match="no"):
            device.load(agent, network)
        assert unloaded.exists()


def test_what_a_program_of_an_engine_uses_is_not_others_load() -> None:
    before = host.state(Files())["own_s"]
    subprocess.run([sys.executable, "-c", "sum(range(5_000_000))"], check=True)
    assert host.state(Files())["own_s"] - before > 0.05


def test_an_agent_that_hangs_is_given_up_after_the_time_out(
    tmp_path: Path, profile: DeviceProfile, network: Path
) -> None:
    patient = profile.override(timeouts={"load_s": 0.2, "start_s": 20.0})
    with faulty_device(patient, tmp_path, "agent.server.Server._load = lambda *_: time.sleep(60)") as device:
        with device.agent() as agent:
            agent.describe(["onnxruntime"])
            start = time.monotonic()
            with pytest.raises(AgentLost, match=r"did not answer 'load' within 0.2 s"):
                device.load(agent, network)
            assert time.monotonic() - start < 5
        assert not psutil.pid_exists(agent.pid)


def test_what_a_runtime_prints_does_not_disturb_the_conversation(profile: DeviceProfile, tmp_path: Path) -> None:
    fault = (
        "describe = agent.host.describe\n"
        "agent.host.describe = lambda files: (os.system('echo noise'), print('noise'), describe(files))[2]"
    )
    with faulty_device(profile, tmp_path, fault) as device:
        assert device.describe().engine == "onnxruntime"


def start_by_hand(folder: Path, silence: str) -> "subprocess.Popen[bytes]":
    (folder / "agent.pyz").write_bytes(agent_zipapp())
    command = [sys.executable, str(folder / "agent.pyz"), "--work", str(folder), "--silence", silence]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_the_agent_ends_itself_when_the_line_closes(tmp_path: Path) -> None:
    process = start_by_hand(tmp_path, "600")
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 0


def test_the_agent_ends_itself_when_the_line_goes_silent_even_within_a_request(tmp_path: Path) -> None:
    process = start_by_hand(tmp_path, "0.2")
    assert process.stdin is not None
    process.stdin.write(b'{"v": 1, ')
    process.stdin.flush()
    assert process.wait(10) == 0


def test_the_agent_writes_nothing_but_what_it_was_given(device: Device, agent: AgentProcess, network: Path) -> None:
    work = Path(psutil.Process(agent.pid).cwd())
    name = device.put(network)
    model = device.load(agent, network)
    agent.run_round([Visit(model.handle, 0, 3)])
    assert sorted(path.name for path in work.rglob("*")) == sorted(["agent.pyz", name])


def test_the_agent_is_one_file_with_the_same_bytes_every_time() -> None:
    assert agent_zipapp() == agent_zipapp()


def test_threads_that_spin_stop_when_their_run_ends(profile: DeviceProfile, tmp_path: Path) -> None:
    network = write_network(tmp_path / "wide.onnx", 512)
    with connect(profile.override(threads=2), state=tmp_path / "state") as device, device.agent() as agent:
        model = device.load(agent, network)
        agent.run_round([Visit(model.handle, 0, 200)])
        used = psutil.Process(agent.pid).cpu_times().user
        time.sleep(0.5)
        assert psutil.Process(agent.pid).cpu_times().user - used < 0.1


def test_answers_carry_numbers_a_strict_reader_accepts(agent: AgentProcess) -> None:
    description = agent.describe(["onnxruntime"])
    json.loads(description.model_dump_json(), parse_constant=pytest.fail)


def test_a_clock_that_is_set_while_networks_run_changes_no_time(
    profile: DeviceProfile, tmp_path: Path, network: Path
) -> None:
    """Network time, or a board without a battery: the wall clock jumps by years; what is timed is on another one."""
    fault = (
        "hours = iter(range(0, 10**9, 7))\n"
        "time.time = lambda: (-1) ** next(hours) * 3600.0 * 24 * next(hours)\n"
        "time.time_ns = lambda: int(1e9 * time.time())"
    )
    with faulty_device(profile, tmp_path, fault) as device, device.agent() as agent:
        model = device.load(agent, network)
        found = agent.run_round([Visit(model.handle, 2, 50)], end_with_reading=True)
        assert 0 < min(found.samples[0]) <= max(found.samples[0]) < 1e9
        assert 0 < found.after.wall_s - found.before.wall_s < 60
