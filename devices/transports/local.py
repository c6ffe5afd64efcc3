"""The local transport: the agent as a fresh process on this machine."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import platformdirs

from devices.agent import processes
from devices.bundle import agent_zipapp
from devices.errors import DeviceError
from devices.transports.lock import DeviceLock

_AGENT = "agent.pyz"


class LocalTransport:
    """This machine. One lock and one folder for it, whatever the profile is called: it is one and the same board."""

    def __init__(self, state: Path | None = None, lock_wait_s: float = 30.0, python: str | None = None) -> None:
        """Run agents under `python`, or under the interpreter that runs this."""
        self._python = python or sys.executable
        self._state = (state or Path(platformdirs.user_cache_dir("slimda-edge"))) / "local"
        self._lock = DeviceLock(self._state / "lock")
        self._lock_wait_s = lock_wait_s
        self._work: Path | None = None

    def open(self) -> None:
        """Take the lock and make a fresh private work folder; raises `DeviceError`."""
        try:
            self._lock.acquire(self._lock_wait_s)
            self._sweep()
            self._work = Path(tempfile.mkdtemp(prefix="work-", dir=self._state))
            (self._work / _AGENT).write_bytes(agent_zipapp())
        except OSError as error:
            self.close()
            raise DeviceError(f"the work folder below {self._state} cannot be made: {error.strerror}") from error

    def put(self, path: Path) -> str:
        """Copy the file into the work folder under the SHA-256 of its content; return that name."""
        try:
            content = path.read_bytes()
            name = hashlib.sha256(content).hexdigest() + path.suffix
            target = self._folder / name
            if not target.exists():
                partial = target.with_suffix(".part")
                partial.write_bytes(content)
                partial.replace(target)
        except OSError as error:
            raise DeviceError(f"{path} cannot be brought to the device: {error.strerror}") from error
        return name

    def start(self, silence_s: float, errors: IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start an agent; a session of its own keeps the terminal's Ctrl-C from it."""
        command = [
            *(self._python, str(self._folder / _AGENT), "--work", str(self._folder)),
            *("--cache", str(self._state / "engines"), "--silence", str(silence_s)),
        ]
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self._folder,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceError(f"the agent cannot be started by {self._python}: {error.strerror}") from error

    def fault(self) -> str:
        """Return nothing: there is no line to lose."""
        return ""

    def interrupt(self) -> None:
        """End the waiting for the lock; nothing else in `open` takes long."""
        self._lock.interrupt()

    def close(self) -> None:
        """End what still runs in the work folder, remove it and give the lock back, through a Ctrl-C as well."""
        try:
            self._remove_work()
        except KeyboardInterrupt:
            self._remove_work()
            raise
        finally:
            self._lock.release()

    def _remove_work(self) -> None:
        if self._work is not None:
            _remove(self._work)
            self._work = None

    @property
    def _folder(self) -> Path:
        if self._work is None:
            raise DeviceError("the device is not connected")
        return self._work

    def _sweep(self) -> None:
        """End and remove what a killed run left: whoever holds the lock owns every work folder.

        Its agent only notices that it is alone when its present round, window or build is over.
        """
        for leftover in self._state.glob("work-*"):
            _remove(leftover)


def _remove(folder: Path) -> None:
    processes.end(str(folder))
    shutil.rmtree(folder, ignore_errors=True)
