"""The connection to a board behind a real SSH server: lost and mended, interrupted, and its control socket."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from devices import (
    ConnectionLost,
    Device,
    DeviceError,
    connect,
)
from tests.devices.networks import SHAPE
from tests.devices.ssh_runs import later
from tests.sshd import Board, wait_until


class TestReconnecting:
    def test_mends_a_line_that_was_cut(self, board: Board, network: Path) -> None:
        with connect(board.profile(line_s=1.0), lock_wait_s=0) as device:
            board.cut()
            with pytest.raises(ConnectionLost):
                device.put(network)
            device.reconnect()
            with device.agent() as agent:
                assert device.load(agent, network).finite
        assert board.is_clean()

    def test_waits_for_a_board_that_is_starting(self, board: Board, network: Path) -> None:
        with connect(board.profile(reconnect_s=20)) as device:
            board.stop()
            later(board.start, 1.0)
            device.reconnect()
            assert device.infer(network, np.zeros(SHAPE, np.float32)).shape == (1, 4, 1, 1)

    def test_gives_up_on_a_board_that_does_not_come_back(self, board: Board) -> None:
        with connect(board.profile(reconnect_s=0.1)) as device:
            board.stop()
            with pytest.raises(DeviceError, match="refuses connections"):
                device.reconnect()
            with pytest.raises(DeviceError, match="not connected"):
                device.agent()

    def test_ends_when_its_user_is_interrupted(self, board: Board) -> None:
        with connect(board.profile(reconnect_s=60)) as device:
            board.stop()
            later(device.interrupt)
            start = time.monotonic()
            with pytest.raises(DeviceError, match="board was interrupted"):
                device.reconnect()
            assert time.monotonic() - start < 20


class TestInterruptedFromAnotherThread:
    """As Ctrl-C does with boards that are worked on side by side."""

    def assert_prompt(self, device: Device, after_s: float = 0.5) -> None:
        later(device.interrupt, after_s)
        start = time.monotonic()
        with pytest.raises(DeviceError, match=r"^board was interrupted$"):
            device.__enter__()
        assert time.monotonic() - start < 10

    def test_while_the_board_does_not_answer(self, board: Board) -> None:
        board.write_config(more="ProxyCommand sh -c 'while read line; do :; done'\n")
        self.assert_prompt(connect(board.profile(connect_s=60)))

    def test_while_another_run_holds_the_board(self, board: Board) -> None:
        with connect(board.profile()):
            self.assert_prompt(connect(board.profile(), lock_wait_s=60), after_s=2.0)
        wait_until(board.is_clean)

    def test_before_it_is_connected(self, board: Board) -> None:
        device = connect(board.profile())
        device.interrupt()
        with pytest.raises(DeviceError, match=r"^board was interrupted$"):
            device.__enter__()
        assert board.logins() == 0

    def test_once_connected_it_can_still_be_left_clean(self, board: Board) -> None:
        with connect(board.profile()) as device:
            device.interrupt()
            with pytest.raises(DeviceError, match=r"^board was interrupted$"):
                device.agent()
        assert board.is_clean()


def test_a_device_that_is_not_connected_starts_nothing(board: Board) -> None:
    with pytest.raises(DeviceError, match="not connected"):
        connect(board.profile()).agent()


def test_the_control_socket_finds_a_short_path_and_leaves_nothing(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    made: list[Path] = []

    def recorded(*arguments: Any, **options: Any) -> str:
        path: str = make(*arguments, **options)
        made.append(Path(path))
        return path

    make = tempfile.mkdtemp
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    monkeypatch.setattr("tempfile.mkdtemp", recorded)
    with connect(board.profile()) as device:
        assert device.describe().engine == "onnxruntime"
        assert [path for path in made if path.exists()] == made[-1:]
        assert made[-1].parent == Path("/tmp")
    assert not made[-1].exists()
    assert list(deep.iterdir()) == []
