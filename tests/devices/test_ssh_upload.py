"""What is brought to a board behind a real SSH server: once, whole, under its own name."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from devices import (
    DeviceError,
    connect,
)
from devices.transports.ssh import SshTransport
from tests.sshd import HOST, Board, wait_until


class TestUpload:
    def test_is_named_by_its_content_and_made_once(
        self, board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = os.urandom(3 * 2**20 + 5)  # in several pieces
        for name in ("one.onnx", "two.onnx"):
            (tmp_path / name).write_bytes(content)
        with connect(board.profile()) as device:
            name = device.put(tmp_path / "one.onnx")
            assert name == hashlib.sha256(content).hexdigest() + ".onnx"
            (folder,) = board.work_folders()
            assert folder.stat().st_mode & 0o077 == 0
            assert (folder / name).read_bytes() == content
            made = (folder / name).stat().st_mtime_ns
            assert device.put(tmp_path / "two.onnx") == name
            assert (folder / name).stat().st_mtime_ns == made
            assert sorted(path.name for path in folder.iterdir()) == sorted(["agent.pyz", name])

    def test_of_the_agent_is_made_once_per_version_and_of_a_damaged_one_again(self, board: Board) -> None:
        with connect(board.profile()):
            (agent,) = board.base.glob("*.pyz")
            made = agent.stat().st_mtime_ns
        assert hashlib.sha256(agent.read_bytes()).hexdigest() == agent.stem
        with connect(board.profile()):
            assert agent.stat().st_mtime_ns == made
        agent.write_bytes(b"damaged")
        (board.base / "another-version.pyz").write_bytes(b"")
        with connect(board.profile()) as device:
            assert device.describe().engine == "onnxruntime"
            assert [path.stem for path in board.base.glob("*.pyz")] == [agent.stem]

    def test_of_an_absent_file_names_it(self, board: Board, tmp_path: Path) -> None:
        with connect(board.profile()) as device, pytest.raises(DeviceError, match=r"absent\.onnx cannot be brought"):
            device.put(tmp_path / "absent.onnx")

    def test_that_arrives_damaged_is_refused(self, board: Board) -> None:
        transport = opened(board)
        with pytest.raises(DeviceError, match="arrived on board damaged"):
            transport._connected.put("0" * 64 + ".onnx", b"something else")
        assert [path.name for path in board.work_folders()[0].iterdir()] == ["agent.pyz"]
        transport.close()

    @pytest.mark.parametrize("name", ["../" + "0" * 64, "0" * 63, "0" * 64 + "/x", "0" * 64 + ".a b", ""])
    def test_under_any_other_name_is_refused(self, board: Board, name: str) -> None:
        transport = opened(board)
        with pytest.raises(DeviceError, match="named by the SHA-256"):
            transport._connected.put(name, b"")
        transport.close()

    def test_to_a_full_disk_says_so_and_the_connection_goes_on(self, board: Board, tmp_path: Path) -> None:
        with small_disk(board.base):
            (tmp_path / "big.onnx").write_bytes(os.urandom(2**20))
            (tmp_path / "small.onnx").write_bytes(b"fits")
            with connect(board.profile()) as device:
                with pytest.raises(DeviceError, match=r"the disk of board is full: make room there .*No space left"):
                    device.put(tmp_path / "big.onnx")
                assert len(list(board.work_folders()[0].iterdir())) == 1
                assert device.put(tmp_path / "small.onnx")
            assert board.is_clean()

    def test_of_the_agent_to_a_full_disk_says_so(self, board: Board) -> None:
        with small_disk(board.base):
            (board.base / "ballast").write_bytes(bytes(500_000))
            with pytest.raises(DeviceError, match="the disk of board is full"):
                connect(board.profile()).__enter__()
            wait_until(board.is_clean)


class small_disk:
    """A file system of half a megabyte at `folder`; only root can mount one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can mount a small disk")
        self._folder.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(self._folder)], check=True)

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", str(self._folder)], check=True)


def opened(board: Board) -> SshTransport:
    transport = SshTransport(HOST, board.config, board.profile().timeouts, 0.0)
    transport.open()
    return transport
