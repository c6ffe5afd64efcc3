"""The agent's life on a board behind a real SSH server: it measures, is killed, given up, and cannot be started."""

import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from devices import (
    AgentLost,
    ConnectionLost,
    DeviceError,
    Visit,
    connect,
    load_profile,
)
from tests.devices.networks import SHAPE
from tests.devices.ssh_runs import MANY, SLOW_LINE, later
from tests.sshd import Board, wait_until


class TestAgent:
    def test_measures_and_answers_as_it_does_here(self, board: Board, network: Path, tmp_path: Path) -> None:
        images = np.random.default_rng(0).normal(size=(5, *SHAPE[1:])).astype(np.float32)
        with connect(load_profile("cpu"), state=tmp_path / "state") as here:
            expected, known = here.infer(network, images), here.describe()
        with connect(board.profile()) as there:
            assert there.describe() == known.model_copy(update={"device": "board"})
            with there.agent() as agent:
                model = there.load(agent, network)
                result = agent.run_round([Visit(model.handle, 1, 4), Visit(model.handle, 0, 2)])
                np.testing.assert_array_equal(agent.infer(model, images), expected)
        assert [len(samples) for samples in result.samples] == [4, 2]
        assert min(map(min, result.samples)) > 0

    def test_is_not_disturbed_by_what_a_login_shell_prints(self, board: Board, network: Path) -> None:
        (board.home / ".bashrc").write_text("echo Welcome; echo to >&2; printf '{\"ok\": false}'\n")
        with connect(board.profile()) as device, device.agent() as agent:
            assert device.load(agent, network).finite

    def test_killed_in_the_middle_of_a_round_is_told_from_a_lost_line(self, board: Board, large: Path) -> None:
        with connect(board.profile()) as device, device.agent() as agent:
            model = device.load(agent, large)
            later(lambda: board.agents()[0].kill())
            with pytest.raises(AgentLost, match=r"ended during 'round' \(signal 9\)") as error:
                agent.run_round([Visit(model.handle, 0, MANY)])
            assert not isinstance(error.value, ConnectionLost)
            assert device.infer(large, np.zeros(SHAPE, np.float32)).shape == (1, 16384, 1, 1)

    def test_given_up_is_killed_on_the_board_at_once_and_another_is_left_alone(self, board: Board, large: Path) -> None:
        with connect(board.profile(run_s=0.3)) as device, device.agent() as other:
            other.describe(["onnxruntime"])
            with device.agent() as agent:
                model = device.load(agent, large)
                with pytest.raises(AgentLost, match="did not answer 'round'"):
                    agent.run_round([Visit(model.handle, 0, MANY)])
                assert len(board.agents()) == 1
            assert [e.missing for e in other.describe(["onnxruntime"]).engines] == [None]

    def test_without_its_runtime_says_which_and_for_which_python(self, board: Board, tmp_path: Path) -> None:
        (tmp_path / "onnxruntime.py").write_text("raise ImportError('no such runtime here')")
        board.environment["PYTHONPATH"] = str(tmp_path)
        board.restart()
        with connect(board.profile()) as device, pytest.raises(DeviceError, match="onnxruntime cannot be imported"):
            device.describe()

    def test_runs_under_the_python_that_the_profile_names(self, board: Board, network: Path, tmp_path: Path) -> None:
        """As with a virtual environment that the login shell knows nothing of."""
        places = {name: tmp_path / name for name in ("login/python3", "venv-3.11/bin/python")}
        for path, script in zip(places.values(), ("exit 1", f'exec {sys.executable} "$@"'), strict=True):
            path.parent.mkdir(parents=True)
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        login, venv = places.values()
        board.environment["PATH"] = os.pathsep.join([str(login.parent), os.defpath])
        board.restart()
        with pytest.raises(DeviceError, match="python3 on board ended with status 1"), connect(board.profile()):
            pass
        with connect(board.profile().override(python=str(venv))) as device, device.agent() as agent:
            assert device.load(agent, network).finite
            assert device.describe().python == platform.python_version()
        absent = board.profile().override(python="/nowhere/python")
        with pytest.raises(DeviceError, match=r"board has no /nowhere/python .*or name the one"), connect(absent):
            pass
        wait_until(board.is_clean)

    def test_whose_file_is_gone_from_the_board_says_so(self, board: Board) -> None:
        with connect(board.profile()) as device:
            (board.work_folders()[0] / "agent.pyz").unlink()
            with pytest.raises(DeviceError, match=r"cannot say what it is: .*can't open file .*agent\.pyz"):
                device.describe()

    def test_cannot_be_started_where_this_machine_cannot_start_ssh_any_more(
        self, board: Board, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with connect(board.profile()) as device:
            with monkeypatch.context() as patch:
                patch.setenv("PATH", "/nowhere")
                with pytest.raises(DeviceError, match="an agent on board cannot be started from here: No such file"):
                    device.agent()
            assert device.describe().engine

    def test_cannot_be_started_past_a_connection_that_is_gone(self, board: Board) -> None:
        with connect(board.profile()) as device:
            board.cut()
            with pytest.raises(ConnectionLost, match="the connection to board was lost"):
                device.agent()
            assert board.connections() == []


def test_the_round_trip_is_not_in_the_timing(board: Board, network: Path, tmp_path: Path) -> None:
    (tmp_path / "line.py").write_text(SLOW_LINE)
    board.write_config(more=f"ProxyCommand {sys.executable} {tmp_path}/line.py {board.port} 0.05\n")
    with connect(board.profile()) as device, device.agent() as agent:
        model = device.load(agent, network)
        start = time.monotonic()
        result = agent.run_round([Visit(model.handle, 2, 9)])
        assert time.monotonic() - start > 0.1
        assert np.median(result.samples[0]) < 0.02e9
