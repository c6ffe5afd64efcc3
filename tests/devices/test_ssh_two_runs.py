"""Two runs that want one board behind a real SSH server: one measures, the other waits and leaves it alone."""

import os
import signal
from pathlib import Path

import pytest

from devices import (
    DeviceBusy,
    DeviceUnreachable,
    connect,
    load_profile,
)
from tests.devices.ssh_runs import hold, later
from tests.sshd import Board, wait_until


class TestTwoRunsAtOnce:
    def test_the_second_is_told_who_measures_and_since_when(self, board: Board, large: Path) -> None:
        run = hold(board, large)
        folders = board.work_folders()
        with pytest.raises(DeviceBusy, match=rf"board is busy: \S+@\S+, process {run.pid} \(since 20\d\d-.*try again"):
            connect(board.profile(), lock_wait_s=0.3).__enter__()
        assert board.work_folders() == folders
        assert len(board.agents()) == 1
        run.kill()
        run.communicate()

    def test_the_second_waits_for_the_first_to_end(self, board: Board, large: Path) -> None:
        run = hold(board, large, 1000)
        with connect(board.profile(), lock_wait_s=30) as device:
            assert run.wait(10) == 0
            assert device.describe().engine == "onnxruntime"
        run.communicate()

    def test_one_from_a_desk_and_one_on_the_board_itself_exclude_each_other(self, board: Board) -> None:
        with connect(load_profile("cpu"), state=board.base.parent), pytest.raises(DeviceBusy, match="board is busy"):
            connect(board.profile(), lock_wait_s=0).__enter__()

    def test_one_that_gives_up_waiting_leaves_the_board_alone(self, board: Board, large: Path) -> None:
        run = hold(board, large)
        before = len(board.processes())
        later(lambda: os.kill(os.getpid(), signal.SIGINT), 1.0)
        with pytest.raises(KeyboardInterrupt):
            connect(board.profile(), lock_wait_s=60).__enter__()
        wait_until(lambda: len(board.processes()) == before)
        run.kill()
        run.communicate()

    def test_a_line_cut_while_waiting_is_told_and_leaves_the_first_alone(self, board: Board, large: Path) -> None:
        with connect(board.profile()) as first:
            (connection,) = board.connections()

            def cut_second() -> None:
                for process in board.connections():
                    if process != connection:
                        process.kill()

            later(cut_second, 1.0)
            with pytest.raises(DeviceUnreachable, match="board closed the connection"):
                connect(board.profile(), lock_wait_s=60).__enter__()
            assert first.describe().engine == "onnxruntime"
