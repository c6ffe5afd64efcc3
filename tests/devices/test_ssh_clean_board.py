"""A board behind a real SSH server is left clean, however a run ends."""

import signal
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from devices import (
    ConnectionLost,
    Device,
    Visit,
    connect,
)
from devices.transports.ssh import SshTransport
from tests.devices.networks import SHAPE
from tests.devices.ssh_runs import MANY, SLOW_LINE, hold, later
from tests.sshd import Board, is_alive, wait_until


def words(process: psutil.Process) -> str:
    """Its command line; none where it has ended by now."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


class TestTheBoardIsClean:
    def test_after_a_connection_that_was_closed(self, board: Board, network: Path) -> None:
        with connect(board.profile()) as device:
            device.put(network)
        assert board.is_clean()
        assert (board.base / "lock").read_text() == ""

    def test_after_ctrl_c_in_the_middle_of_a_round(self, board: Board, large: Path) -> None:
        run = hold(board, large)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=10)
        assert board.is_clean()

    def test_after_the_workstation_was_killed_in_the_middle_of_a_round(self, board: Board, large: Path) -> None:
        run = hold(board, large)
        clients = [process for process in psutil.Process(run.pid).children() if process.name() == "ssh"]
        assert len(clients) == 2
        run.kill()
        run.communicate()
        wait_until(board.is_clean)
        wait_until(lambda: not any(map(is_alive, clients)))
        with connect(board.profile(), lock_wait_s=0) as device:
            assert device.describe().engine == "onnxruntime"

    def test_after_the_line_was_cut_in_the_middle_of_a_round(self, board: Board, large: Path) -> None:
        with connect(board.profile()) as device, device.agent() as agent:
            model = device.load(agent, large)
            later(board.cut)
            with pytest.raises(
                ConnectionLost, match=r"connection to board was lost \(.*\): the agent ended during 'rou"
            ):
                agent.run_round([Visit(model.handle, 0, MANY)])
            wait_until(board.is_clean)

    def test_after_the_line_fell_silent_without_closing(self, board: Board, large: Path) -> None:
        with connect(board.profile(line_s=1.0, run_s=30.0)) as device, device.agent() as agent:
            model = device.load(agent, large)
            frozen = master_of(device)
            later(frozen.suspend)
            later(frozen.resume, 4.0)
            with pytest.raises(ConnectionLost):
                agent.run_round([Visit(model.handle, 0, MANY)])
            wait_until(board.is_clean)

    def test_after_a_line_that_both_ends_take_for_open_and_the_next_run_waits_for_it(
        self, board: Board, large: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "line.py").write_text(SLOW_LINE)
        relayed = f"{tmp_path}/line.py {board.port} 0"
        board.write_config(more=f"ProxyCommand {sys.executable} {relayed}\n")
        with connect(board.profile(line_s=8.0), lock_wait_s=0) as device:
            (relay,) = [p for p in psutil.Process().children(recursive=True) if relayed in words(p)]
            try:
                with device.agent() as agent:
                    model = device.load(agent, large)
                    later(relay.suspend)
                    with pytest.raises(ConnectionLost, match="no longer answers"):
                        agent.run_round([Visit(model.handle, 0, MANY)])
                    assert board.agents() != []
                device.reconnect()
                assert len(board.work_folders()) == 1
                assert device.infer(large, np.zeros(SHAPE, np.float32)).shape == (1, 16384, 1, 1)
            finally:
                relay.kill()
        wait_until(board.is_clean)

    def test_after_its_session_was_told_to_end(self, board: Board, network: Path) -> None:
        with connect(board.profile()) as device, device.agent() as agent:
            model = device.load(agent, network)
            session_of(board).terminate()
            wait_until(board.is_clean)
            with pytest.raises(ConnectionLost):
                agent.run_round([Visit(model.handle, 0, 1)])

    def test_of_processes_where_its_session_was_killed_and_after_the_next_run_of_files(
        self, board: Board, large: Path
    ) -> None:
        with connect(board.profile(line_s=1.0)) as device, device.agent() as agent:
            model = device.load(agent, large)
            later(session_of(board).kill)
            with pytest.raises(ConnectionLost):  # the lock went with the session: nothing more may be measured
                agent.run_round([Visit(model.handle, 0, MANY)])
            (left,) = board.work_folders()
            with connect(board.profile(), lock_wait_s=0):
                assert left not in board.work_folders()
                assert board.agents() == []
            assert board.is_clean()

    def test_while_a_workstation_that_is_only_slow_keeps_its_line(self, board: Board) -> None:
        with connect(board.profile(line_s=0.6)) as device:
            time.sleep(1.5)
            assert device.describe().engine == "onnxruntime"


def master_of(device: Device) -> psutil.Process:
    """The ssh client that holds the connection."""
    transport = device._transport
    assert isinstance(transport, SshTransport)
    return psutil.Process(transport._connected._process.pid)


def session_of(board: Board) -> psutil.Process:
    (session,) = [process for process in board.processes() if process.cmdline()[:2] == ["python3", "-I"]]
    return session
