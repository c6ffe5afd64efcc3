"""Command lines of the system's OpenSSH client: one connection to one host, shared by everything that is run there."""

import os
import select
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from devices.profile import TimeOuts

BROKEN = 255  # how ssh ends where the connection does, and not the command
#: What holds whatever the user's configuration says; everything else is left to it.
_OPTIONS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "ServerAliveCountMax": "3",
    "LogLevel": "ERROR",
    "ClearAllForwardings": "yes",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "ControlPersist": "no",
}
#: Without its master, a client would connect by itself, past the lock on the board; this makes it fail instead.
_NO_CONNECTION_OF_ITS_OWN = "ProxyCommand=false"
#: A login shell's start-up files may print: what comes after this line is the command's own. The shell stays, so that a
#: command killed by a signal ends with 128 + its number instead of ssh's 255 for everything.
_SAY_WHEN_IT_BEGINS = 'echo "$1 $$"; shift; "$@"; exit $?'
_SOCKET_PATH = 104 - 18  # bytes of a socket's path on the tightest system, less what ssh adds while it makes one
_LOST_SOONER = 12  # ssh asks for a sign of life so much more often than the board ends without one; three may be missed
_END_S = 10.0
_NOISE = 2**20  # bytes of start-up noise read before giving up


class NotBegun(Exception):
    """A command on the board ended, or time was up, before it said that it begins."""


class SshCommand:
    """Builds the command lines; `open` makes the private folder of the control socket, `close` removes it."""

    def __init__(self, host: str, config: Path | None, timeouts: TimeOuts) -> None:
        self._host = host
        self._config = config
        self._connect_s = _whole_seconds(timeouts.connect_s)
        self._alive_s = _whole_seconds(timeouts.line_s / _LOST_SOONER)
        self._folder: Path | None = None

    def open(self) -> None:
        """Make the folder; raises `OSError`."""
        self._folder = Path(tempfile.mkdtemp(prefix="slimda-"))
        if len(os.fsencode(self._socket)) > _SOCKET_PATH:
            self.close()
            self._folder = Path(tempfile.mkdtemp(prefix="slimda-", dir="/tmp"))

    def close(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def master(self, mark: str, command: Sequence[str]) -> list[str]:
        """Return the line that connects and runs `command`, and that carries the others while it lives."""
        times = [f"ConnectTimeout={self._connect_s}", f"ServerAliveInterval={self._alive_s}"]
        return self._line(["ControlMaster=yes", *times], mark, command)

    def client(self, mark: str, command: Sequence[str]) -> list[str]:
        """Return the line that runs `command` over the connection of the master."""
        return self._line(["ControlMaster=no", _NO_CONNECTION_OF_ITS_OWN], mark, command)

    def by_hand(self) -> str:
        """Return what a user types to log in the same way."""
        return shlex.join(["ssh", *self._configuration(), self._host])

    @property
    def _socket(self) -> Path:
        if self._folder is None:
            raise ValueError("the command lines are built between open and close")
        return self._folder / "control"

    def _configuration(self) -> list[str]:
        return ["-F", str(self._config.expanduser())] if self._config is not None else []

    def _line(self, options: list[str], mark: str, command: Sequence[str]) -> list[str]:
        options = [*(f"{name}={value}" for name, value in _OPTIONS.items()), f"ControlPath={self._socket}", *options]
        flags = [word for option in options for word in ("-o", option)]
        remote = shlex.join(["exec", "/bin/sh", "-c", _SAY_WHEN_IT_BEGINS, "sh", mark, *command])
        return ["ssh", *self._configuration(), *flags, "--", self._host, remote]


def _whole_seconds(seconds: float) -> int:
    return max(1, round(seconds))


def environment() -> dict[str, str]:
    """Return the environment for ssh, which is to complain in English."""
    return {**os.environ, "LC_ALL": "C"}


def await_beginning(process: "subprocess.Popen[bytes]", mark: str, timeout_s: float) -> int:
    """Skip what a login shell prints until the line with `mark`; return the process group on the board that it names.

    Nothing beyond that line is read. Raises `NotBegun`.
    """
    if process.stdout is None:
        raise ValueError("the command must be started with pipes")
    descriptor = process.stdout.fileno()
    deadline = time.monotonic() + timeout_s
    line = b""
    for _ in range(_NOISE):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise NotBegun(f"did not begin within {timeout_s:g} s")
        byte = os.read(descriptor, 1)
        if not byte:
            raise NotBegun("ended before it began")
        if byte != b"\n":
            line += byte
            continue
        _, found, group = line.decode("utf-8", "replace").partition(f"{mark} ")
        if found and group.strip().isdigit():
            return int(group)
        line = b""
    raise NotBegun("printed without end instead of beginning")


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End an ssh client at once, where it has not ended."""
    if process.poll() is None:
        process.kill()
    process.wait(_END_S)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
