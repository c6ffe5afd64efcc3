"""The trtexec engine in the real agent, against each version's options with ONNX Runtime behind it."""

import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from devices import DeviceProfile, EngineFailed, EngineTimedOut, Visit
from tests.boards.fake_jetson.plan import recipe_of
from tests.boards.jetson import FakeJetson
from tests.devices.conftest import MakeBoard
from tests.devices.engine_runs import IMAGES, described, expected, fresh_agent, plans
from tests.devices.networks import SHAPE, write_halved_network, write_network, write_quantised_network


@pytest.fixture
def profile(profile: DeviceProfile) -> DeviceProfile:
    return profile.override(engines=["trtexec"])


def tools(board: FakeJetson) -> list[psutil.Process]:
    """Return the processes that run this board's trtexec."""
    program = str(board.folder / "bin" / "trtexec")
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        if program in command and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


@pytest.mark.parametrize("jetpack", ["5", "6", "desktop"])
class TestEveryVersion:
    def test_is_told_from_the_tool_itself(
        self, make_board: MakeBoard, jetpack: str, profile: DeviceProfile, state: Path
    ) -> None:
        board = make_board(jetpack)
        board.remove_binding()
        found = described(profile, state, "trtexec")
        assert found.missing is None
        assert found.version == ".".join(board.release.tensorrt.split(".")[:3])
        assert found.precisions == ("fp32", "fp16", "int8")
        assert found.builds
        assert "from the start of the copy in to the end of the copy back" in found.options

    def test_runs_a_network_and_reads_host_and_device_times_from_its_file(
        self, make_board: MakeBoard, jetpack: str, profile: DeviceProfile, state: Path, network: Path
    ) -> None:
        make_board(jetpack)
        with fresh_agent(profile, state) as (device, agent):
            model = device.load(agent, network)
            assert model.visit_s == 60
            np.testing.assert_allclose(agent.infer(model, IMAGES), expected(network), rtol=1e-5)
            result = agent.run_round([Visit(model.handle, 2, 7)])
        assert len(result.samples[0]) == len(result.compute[0]) == 7
        pairs = list(zip(result.compute[0], result.samples[0], strict=True))
        assert all(0 < device_ns <= host_ns for device_ns, host_ns in pairs)
        assert any(device_ns < host_ns for device_ns, host_ns in pairs), "the copies are not in the host's time"
        (plan,) = plans(state)
        recipe = recipe_of(plan)
        assert (recipe.fp16, recipe.int8, recipe.tf32, recipe.workspace) == (False, False, False, 2**30)

    def test_runs_a_quantised_network_in_int8(
        self, make_board: MakeBoard, jetpack: str, profile: DeviceProfile, state: Path, tmp_path: Path
    ) -> None:
        make_board(jetpack)
        network = write_quantised_network(tmp_path / "quantised.onnx")
        with fresh_agent(profile, state) as (device, agent):
            model = device.load(agent, network, "int8")
            np.testing.assert_allclose(agent.infer(model, IMAGES), expected(network), rtol=1e-5)
        assert [recipe_of(plan).int8 for plan in plans(state)] == [True]

    def test_runs_a_network_in_half_precision(
        self, make_board: MakeBoard, jetpack: str, profile: DeviceProfile, state: Path, tmp_path: Path
    ) -> None:
        make_board(jetpack)
        network = write_halved_network(tmp_path / "halved.onnx")
        with fresh_agent(profile, state) as (device, agent):
            model = device.load(agent, network, "fp16")
            np.testing.assert_allclose(agent.infer(model, IMAGES), expected(network), rtol=1e-5)
        assert [recipe_of(plan).fp16 for plan in plans(state)] == [True]


def test_a_run_is_not_timed_from_within_the_one_before_it(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, tmp_path: Path
) -> None:
    """Left to itself trtexec begins a copy in while the run before computes: throughput, not what a caller waits."""
    make_board("6")
    with fresh_agent(profile, state) as (device, agent):
        model = device.load(agent, write_network(tmp_path / "wide.onnx", 4096))
        result = agent.run_round([Visit(model.handle, 0, 15)])
    assert np.median(result.samples[0]) < 1.6 * np.median(result.compute[0])


def test_a_board_without_trtexec_says_where_it_was_looked_for(
    make_board: MakeBoard, profile: DeviceProfile, state: Path
) -> None:
    make_board("6").remove_trtexec()
    missing = described(profile, state, "trtexec").missing
    assert missing is not None
    assert "neither at /usr/src/tensorrt/bin/trtexec nor at /opt/tensorrt/bin/trtexec nor in the PATH" in missing


def test_tensorrt_8_2_is_refused(make_board: MakeBoard, profile: DeviceProfile, state: Path) -> None:
    make_board("4")
    missing = described(profile, state, "trtexec").missing
    assert missing is not None
    assert "TensorRT 8.2.1 is too old" in missing


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("#!/bin/sh\necho hello\n", "does not tell its version"),
        ("#!/bin/sh\necho 'cannot open shared object file' >&2\nexit 127\n", r"failed \(127\): cannot open shared"),
        ("#!/no/such/interpreter\n", "cannot be started"),
    ],
    ids=["other program", "broken", "not a program"],
)
def test_a_trtexec_that_cannot_be_used_is_told_in_words(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, program: str, words: str
) -> None:
    board = make_board("6")
    (board.folder / "bin" / "trtexec").write_text(program)
    with fresh_agent(profile, state) as (_, agent):
        missing = agent.describe(["trtexec"]).engines[0].missing
    assert missing is not None
    assert re.search(words, missing), missing


def test_a_failed_build_is_told_in_trtexec_s_own_words_and_the_agent_goes_on(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path
) -> None:
    board = make_board("5")
    with fresh_agent(profile, state) as (device, agent):
        board.set_fault("build fails")
        with pytest.raises(EngineFailed, match=r"trtexec failed \(1\): .*Could not find any implementation"):
            device.load(agent, network)
        assert not list((state / "local" / "engines").iterdir())
        board.set_fault()
        assert device.load(agent, network).finite


def test_a_build_that_takes_for_ever_is_ended_in_time_and_the_agent_goes_on(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path
) -> None:
    board = make_board("6")
    board.set_fault("build hangs")
    with fresh_agent(profile.override(timeouts={"load_s": 4.0}), state) as (device, agent):
        agent.describe(["trtexec"])
        with pytest.raises(EngineTimedOut, match=r"trtexec was not done after 3\.6 s and has been stopped"):
            device.load(agent, network)
        assert not tools(board)
        assert not list((state / "local" / "engines").iterdir())
        board.set_fault()
        assert device.load(agent, network).finite


def test_a_build_dies_with_its_agent(make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path) -> None:
    board = make_board("6")
    board.set_fault("build hangs")
    with fresh_agent(profile, state) as (device, agent):
        name = device.put(network)
        agent._line.send(
            {"v": 2, "id": 1, "op": "load", "file": name, "engine": "trtexec", "threads": 1, "precision": "fp32"}, 10.0
        )
        deadline = time.monotonic() + 30
        while not any("--onnx" in part for tool in tools(board) for part in tool.cmdline()):
            assert time.monotonic() < deadline, "the build was not started"
            time.sleep(0.05)
        os.kill(agent.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while tools(board):
            assert time.monotonic() < deadline, "the build outlived its agent"
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("no times", "the times of 0 runs, not 4"),
        ("empty times", "times that trtexec wrote cannot be read"),
        ("few times", "the times of 1 runs, not 4"),
        ("zero times", "a run that took no time"),
        ("negative times", "a run that took no time"),
        ("missing keys", "cannot be read: 'computeMs'"),
        ("run fails", "Error occurred during inference"),
    ],
)
def test_times_that_make_no_sense_are_a_failure_of_the_network_and_never_a_number(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path, fault: str, words: str
) -> None:
    board = make_board("6")
    with fresh_agent(profile, state) as (device, agent):
        model = device.load(agent, network)
        board.set_fault(fault)
        with pytest.raises(EngineFailed, match=words) as failure:
            agent.run_round([Visit(model.handle, 1, 4)])
        assert failure.value.handle == model.handle


@pytest.mark.parametrize(
    ("fault", "words"), [("wrong shape", r"answers with shape \[1, 4, 1, 2\]"), ("empty times", "cannot be read")]
)
def test_a_network_that_answers_wrongly_fails_at_loading(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path, fault: str, words: str
) -> None:
    make_board("6").set_fault(fault)
    with fresh_agent(profile, state) as (device, agent), pytest.raises(EngineFailed, match=words):
        device.load(agent, network)


def test_numbers_that_are_none_are_noticed_though_they_are_no_json(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path
) -> None:
    make_board("6").set_fault("nan")
    with fresh_agent(profile, state) as (device, agent):
        assert not device.load(agent, network).finite


def test_an_engine_is_built_once_kept_and_built_again_where_it_is_damaged(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path, tmp_path: Path
) -> None:
    board = make_board("6")
    with fresh_agent(profile, state) as (device, agent):
        device.load(agent, network)
        device.load(agent, write_network(tmp_path / "other.onnx", scale=2.0))
        device.load(agent, network, build=1)
    assert [recipe_of(plan).timed for plan in plans(state)] == [2, 0, 2]
    board.set_fault("build fails")
    with fresh_agent(profile, state) as (device, agent):
        assert device.load(agent, network).finite
        plans(state)[-1].write_bytes(b"garbage")
        with pytest.raises(EngineFailed, match="Could not find any implementation"):
            device.load(agent, network)
    board.set_fault()
    with fresh_agent(profile, state) as (device, agent):
        model = device.load(agent, network)
        np.testing.assert_allclose(agent.infer(model, IMAGES), expected(network), rtol=1e-5)


def test_a_loaded_network_does_not_need_what_is_kept_and_leaves_nothing_when_unloaded(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path
) -> None:
    make_board("6")
    with fresh_agent(profile, state) as (device, agent):
        work = Path(psutil.Process(agent.pid).cwd())
        before = {path.name for path in work.iterdir()}
        model = device.load(agent, network)
        for plan in plans(state):
            plan.unlink()
        assert len(agent.run_round([Visit(model.handle, 0, 2)]).samples[0]) == 2
        agent.unload(model)
        assert {path.name for path in work.iterdir()} - before <= {device.put(network)}


def test_the_shape_of_the_input_is_the_file_s(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path
) -> None:
    make_board("6")
    with fresh_agent(profile, state) as (device, agent):
        assert device.load(agent, network).input_shape == SHAPE
