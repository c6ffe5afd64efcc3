"""The workstation's end of the line to the session that holds a board (`devices.agent.session`)."""

import hashlib
import os
import secrets
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from devices.agent import wire
from devices.bundle import agent_zipapp
from devices.errors import ConnectionLost, DeviceError
from devices.profile import TimeOuts
from devices.transports import ssh_command, ssh_errors
from devices.transports.lock import user_at_machine
from devices.transports.ssh_command import NotBegun, SshCommand

_BOOTSTRAP = Path(__file__).parents[1] / "agent" / "bootstrap.py"
_ANSWER_S = 30.0
_END_S = 5.0
_BEATS = 6  # signs of life within the time that the board waits for one
_PIECE = 2**20  # bytes of a file sent in one request


class BoardSession:
    """A connected board, held until `close`. Its methods may be called from several threads."""

    def __init__(
        self,
        host: str,
        command: SshCommand,
        timeouts: TimeOuts,
        lock_wait_s: float,
        *,
        python: str,
        begun: Callable[["subprocess.Popen[bytes]"], None],
    ) -> None:
        """Connect, bring the agent, and wait for the board's lock; raises `DeviceError`.

        `python` is the command there that runs it all. `begun` is given the client that connects, whose end is the end
        of all that.
        """
        self._host = host
        self._python = python
        self._command = command
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._lost = ""
        self._begun_at = 0
        zipapp = agent_zipapp()
        try:
            self._process = self._connect(zipapp, timeouts, lock_wait_s, begun)
        except BaseException:
            self._errors.close()
            raise
        try:
            self.work = self._begin(zipapp, timeouts, lock_wait_s)
        except BaseException:
            self._end()
            raise
        self._begun_at = self._errors.seek(0, os.SEEK_END)
        self._heart = threading.Thread(target=self._beat, args=(timeouts.line_s / _BEATS,), daemon=True)
        self._heart.start()

    def put(self, name: str, content: bytes) -> None:
        """Bring a file into the work folder under the SHA-256 of its content; raises `DeviceError`."""
        for offset in range(0, max(1, len(content)), _PIECE):
            piece = content[offset : offset + _PIECE]
            self._request("put", piece, name=name, offset=offset, last=offset + _PIECE >= len(content))

    def kill(self, group: int) -> None:
        """Kill the agent of a process group on the board, and what it started; raises `DeviceError`."""
        self._request("kill", group=group)

    @property
    def lost(self) -> bool:
        """Whether the line was found to be lost."""
        return bool(self._lost)

    def fault(self) -> str:
        """Return why the line is lost; nothing while it stands."""
        try:
            self._request("ping")
        except DeviceError as error:
            return str(error)
        return ""

    def close(self) -> None:
        """Let the board clean up and give its lock back, and disconnect; a lost line is only dropped."""
        self._ended.set()
        with self._turn:
            try:
                if not self._lost:
                    self._line.send({"op": "close"}, _ANSWER_S)
                    self._line.receive(_ANSWER_S)
                    self._process.wait(_END_S)
            except (wire.WireError, subprocess.TimeoutExpired):
                pass  # its line closes all the same, and the board cleans up by itself
            finally:
                self._lost = self._lost or f"the connection to {self._host} is closed"
                self._end()

    def _connect(
        self,
        zipapp: bytes,
        timeouts: TimeOuts,
        lock_wait_s: float,
        begun: Callable[["subprocess.Popen[bytes]"], None],
    ) -> "subprocess.Popen[bytes]":
        """Start the master connection with the board's session in it."""
        mark = secrets.token_hex(8)
        session = ("--holder", user_at_machine(), "--pid", os.getpid(), "--wait", lock_wait_s)
        python = (self._python, "-I", "-c", _BOOTSTRAP.read_text(), hashlib.sha256(zipapp).hexdigest(), len(zipapp))
        arguments = [str(word) for word in (*python, *session, "--silence", timeouts.line_s)]
        try:
            process = subprocess.Popen(
                self._command.master(mark, arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=ssh_command.environment(),
                start_new_session=True,
            )
        except FileNotFoundError:
            raise DeviceError("there is no ssh on this machine: install OpenSSH's client") from None
        begun(process)
        try:
            ssh_command.await_beginning(process, mark, 2 * timeouts.connect_s)
        except NotBegun as end:
            fallback = str(end)
        except BaseException:
            ssh_command.stop(process)
            raise
        else:
            return process
        ssh_command.stop(process)
        raise self._connection_error(fallback, process.returncode)

    def _begin(self, zipapp: bytes, timeouts: TimeOuts, lock_wait_s: float) -> str:
        """Bring the agent where it is absent, and wait for the session to hold the board; return its work folder."""
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("the session must be started with pipes")
        self._line = wire.Line(self._process.stdout.fileno(), self._process.stdin.fileno())
        try:
            if self._hear(timeouts.start_s).get("present") is not True:
                self._line.send_bytes(zipapp, timeouts.start_s)
            work = self._hear(timeouts.start_s + lock_wait_s).get("work")
        except wire.Closed:
            status = self._exit_status()
            if status == ssh_command.BROKEN:
                raise self._connection_error("broke off", status) from None
            raise ssh_errors.command_error(self._host, self._python, status, self._stderr()) from None
        except wire.WireError as error:
            raise DeviceError(f"the session on {self._host} cannot be understood: {error}") from None
        if not isinstance(work, str) or not work.startswith("/"):
            raise DeviceError(f"the session on {self._host} did not name its work folder")
        return work

    def _connection_error(self, fallback: str, status: int | None) -> DeviceError:
        return ssh_errors.connection_error(self._host, self._command.by_hand(), self._stderr(), fallback, status)

    def _exit_status(self) -> int | None:
        try:
            return self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return None

    def _hear(self, timeout_s: float) -> dict[str, Any]:
        answer, _ = self._line.receive(timeout_s)
        if answer.get("ok") is not True:
            raise ssh_errors.board_error(self._host, answer)
        return answer

    def _request(self, operation: str, blob: bytes = b"", **fields: Any) -> dict[str, Any]:
        with self._turn:
            if self._lost:
                raise ConnectionLost(self._lost)
            try:
                self._line.send({"op": operation, **fields}, _ANSWER_S, blob)
                return self._hear(_ANSWER_S)
            except wire.WireError:
                raise ConnectionLost(self._lose()) from None

    def _beat(self, every_s: float) -> None:
        """Give signs of life, and notice a session that is gone: without its lock, nothing more may be measured."""
        while not self._ended.wait(every_s):
            try:
                self._request("ping")
            except DeviceError:
                return

    def _lose(self) -> str:
        """Give the connection up, so that nothing waits on it any more; return what is known of the reason."""
        ssh_command.stop(self._process)
        words = self._stderr(self._begun_at).strip().splitlines()
        self._lost = (
            f"the connection to {self._host} was lost ({words[-1].strip() if words else 'it no longer answers'})"
        )
        return self._lost

    def _end(self) -> None:
        ssh_command.stop(self._process)
        self._errors.close()

    def _stderr(self, start: int = 0) -> str:
        self._errors.seek(start)
        return self._errors.read().decode("utf-8", "replace")
