"""The SSH transport: the agent as a fresh process on a board, over one connection of the system's OpenSSH client."""

import contextlib
import hashlib
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from devices.agent.session import AGENT
from devices.errors import ConnectionLost, DeviceError
from devices.profile import TimeOuts
from devices.transports import ssh_command
from devices.transports.ssh_command import NotBegun, SshCommand
from devices.transports.ssh_session import BoardSession

_LAST_WORDS = 500
_NOTICE_S = 15.0


class RemoteAgent(subprocess.Popen[bytes]):
    """The ssh client that carries an agent."""

    kill_on_board: Callable[[], None] | None = None

    def kill(self) -> None:
        """Kill the agent too, which would go on with what it does until it next looks at its closed line."""
        if self.kill_on_board is not None:
            with contextlib.suppress(DeviceError):
                self.kill_on_board()
        super().kill()


class SshTransport:
    """A board that is reached over SSH; its lock, its files and its agents live as long as one connection."""

    def __init__(
        self, host: str, config: Path | None, timeouts: TimeOuts, lock_wait_s: float, python: str | None = None
    ) -> None:
        """Reach `host`; `python` is the command there that runs agents (default: python3)."""
        self._host = host
        self._python = python or "python3"
        self._timeouts = timeouts
        self._lock_wait_s = lock_wait_s
        self._command = SshCommand(host, config, timeouts)
        self._session: BoardSession | None = None
        self._connecting: subprocess.Popen[bytes] | None = None
        self._interrupted = False
        self._brought: set[str] = set()

    def open(self) -> None:
        """Connect, take the board's lock and make a fresh private work folder there; raises `DeviceError`."""
        self._brought.clear()
        try:
            self._command.open()
            self._session = BoardSession(
                self._host,
                self._command,
                self._timeouts,
                self._lock_wait_s,
                python=self._python,
                begun=self._may_be_interrupted,
            )
        except OSError as error:
            raise DeviceError(f"the connection to {self._host} cannot be prepared here: {error.strerror}") from error
        finally:
            self._connecting = None
            if self._session is None:
                self._command.close()

    def put(self, path: Path) -> str:
        """Bring the file into the board's work folder under the SHA-256 of its content; return that name."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DeviceError(f"{path} cannot be brought to the device: {error.strerror}") from error
        name = hashlib.sha256(content).hexdigest() + path.suffix
        if name not in self._brought:
            self._connected.put(name, content)
            self._brought.add(name)
        return name

    def start(self, silence_s: float, errors: IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start an agent on the board; raises `ConnectionLost`, or `DeviceError` with the agent's last words."""
        session, mark = self._connected, secrets.token_hex(8)
        engines = str(PurePosixPath(session.work).parent / "engines")
        agent = [
            *(self._python, f"{session.work}/{AGENT}", "--work", session.work),
            *("--cache", engines, "--silence", str(silence_s)),
        ]
        try:
            process = RemoteAgent(
                self._command.client(mark, agent),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=ssh_command.environment(),
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceError(f"an agent on {self._host} cannot be started from here: {error.strerror}") from error
        try:
            group = ssh_command.await_beginning(process, mark, self._timeouts.start_s)
        except BaseException as error:
            ssh_command.stop(process)
            if not isinstance(error, NotBegun):
                raise
            fault = session.fault()
            if fault:
                raise ConnectionLost(fault) from None
            errors.seek(0)
            said = errors.read()[-_LAST_WORDS:].decode("utf-8", "replace").strip()
            raise DeviceError(f"an agent on {self._host} {error}: {said}") from None
        process.kill_on_board = lambda: session.kill(group)
        return process

    def fault(self) -> str:
        """Return why the connection is lost; nothing while it stands."""
        return self._connected.fault()

    def interrupt(self) -> None:
        """End the connecting and the waiting for the board's lock, now or when it begins: as a lost line does."""
        self._interrupted = True
        connecting = self._connecting
        if connecting is not None:
            connecting.kill()

    def close(self) -> None:
        """Have the board end what still runs there, remove the work folder and give the lock back; disconnect."""
        if self._session is not None:
            if self._session.lost:  # the board keeps its lock until it notices
                self._lock_wait_s = max(self._lock_wait_s, self._timeouts.line_s + _NOTICE_S)
            self._session.close()
            self._session = None
        self._command.close()

    def _may_be_interrupted(self, client: "subprocess.Popen[bytes]") -> None:
        self._connecting = client
        if self._interrupted:
            client.kill()

    @property
    def _connected(self) -> BoardSession:
        if self._session is None:
            raise DeviceError("the device is not connected")
        return self._session
