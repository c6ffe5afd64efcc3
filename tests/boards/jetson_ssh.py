"""A fake Jetson behind a real SSH server: its TensorRT, trtexec, CUDA runtime, nvpmodel, sensors, and its profiles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boards.jetson import FakeJetson, make_fake_jetson
from tests.boards.sysfs import BOARDS, FakeBoard, make_fake_sysfs
from tests.runs import write_derived_profile
from tests.sshd import HOST, Board, server_program

#: What stands on the desk, by the release of JetPack; the last is a machine with a GPU and today's TensorRT.
_SYSFS = {"4": "jetson-nano", "5": "jetson-agx-orin", "6": "jetson-orin-nano", "desktop": "x86"}
_TIMEOUTS = "\n[timeouts]\nconnect_s = 5\nline_s = 20\nreconnect_s = 5\nload_s = {load_s}\n"


@dataclass(frozen=True)
class ReachedJetson:
    """The board, and the configuration folder of a user who has profiles of it."""

    ssh: Board
    jetson: FakeJetson
    sensors: FakeBoard
    configuration: Path
    """For XDG_CONFIG_HOME: `--device jetson` is this board then."""

    def name_host(self, shipped: str = "jetson", *, load_s: float = 60.0) -> None:
        """Make the user's own profile from a shipped one: with this board as its host, measured briefly."""
        folder = self.configuration / "slimda-edge" / "profiles"
        folder.mkdir(parents=True, exist_ok=True)
        reached = f'host = "{HOST}"\nssh_config = "{self.ssh.config}"'
        write_derived_profile(folder, shipped, more=reached, tables=_TIMEOUTS.format(load_s=load_s))

    def plans(self) -> dict[str, int]:
        """Return the engines that are kept on the board, with the time when each was built."""
        return {path.name: path.stat().st_ino for path in (self.ssh.base / "engines").glob("*.plan")}


@contextmanager
def reached_jetson(folder: Path, jetpack: str) -> Iterator[ReachedJetson]:
    """Make the board with a release of JetPack and switch it on; the test is skipped without sshd or a compiler."""
    server_program()
    jetson = make_fake_jetson(folder / "jetson", jetpack)
    if jetson is None:
        pytest.skip("no C compiler is here for the CUDA runtime's stand-in")
    name = _SYSFS[jetpack]
    sensors = make_fake_sysfs(jetson.root, name)
    if BOARDS[name].rails:
        current, memory = (jetson.root / path for path in (sensors.rail(0, 1, "curr"), "proc/meminfo"))
        jetson.connect_meters(current, memory, BOARDS[name].memory_kb)
    ssh = Board(folder / "board")
    ssh.environment["PATH"] = os.pathsep.join([str(jetson.folder / "bin"), ssh.environment["PATH"]])
    board = ReachedJetson(ssh, jetson, sensors, folder / "configuration")
    board.name_host()
    try:
        ssh.start()
        yield board
    finally:
        ssh.stop()
