"""The board's side of a connection: holds the lock and the work folder while its line to the workstation lives.

Requests: `put` (a piece of a file), `kill` (the agent of a process group), `ping` (a sign of life), `close`. However it
ends - asked, signalled, the line closed or silent - what runs in the work folder is killed, the folder is removed, and
the lock is given back.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from . import processes, wire
from .lock import Lock

AGENT = "agent.pyz"  # the agent's name in the work folder
_NAME = re.compile(r"[0-9a-f]{64}(\.[A-Za-z0-9]{1,16})?")
_MAX_FILE = 2**40  # bytes
_POLL_S = 0.2
_SEND_S = 30.0
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Refused(Exception):
    """What was asked cannot be done; `kind` tells the workstation what to say of it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Session:
    """A board held for one workstation."""

    def __init__(self, base: str, line: wire.Line) -> None:
        self._base = Path(base).resolve()
        self._line = line
        self._agent = Path(sys.argv[0]).resolve()
        self._zipapp = self._agent.read_bytes()  # another version, holding the lock, may sweep the file away
        self._work = Path()

    def hold(self, holder: str, pid: int, wait_s: float, silence_s: float) -> None:
        """Wait at most `wait_s` seconds for the board, and serve until `close` or `silence_s` seconds without a word.

        Raises `Refused` where another has the board, `OSError`, and `wire.WireError` where the line fails.
        """
        lock = Lock(str(self._base / "lock"))
        try:
            self._wait_for(lock, holder, pid, wait_s)
            self._sweep()
            self._work = Path(tempfile.mkdtemp(prefix="work-", dir=str(self._base)))
            try:
                (self._work / AGENT).write_bytes(self._zipapp)
                self._line.send({"ok": True, "work": str(self._work)}, _SEND_S)
                self._serve(silence_s)
            finally:
                for number in _SIGNALS:
                    signal.signal(number, signal.SIG_IGN)
                _remove(self._work)
        finally:
            lock.close()

    def _wait_for(self, lock: Lock, holder: str, pid: int, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        while not lock.take(holder, pid):
            if time.monotonic() >= deadline:
                raise Refused("busy", lock.holder())
            try:
                self._line.receive(_POLL_S)
            except wire.Silent:
                continue

    def _sweep(self) -> None:
        """Remove what killed sessions and other versions left: whoever holds the lock owns the folder."""
        for leftover in self._base.glob("work-*"):
            _remove(leftover)
        for file in [*self._base.glob("*.pyz"), *self._base.glob("*.part")]:
            if file != self._agent:
                file.unlink()

    def _serve(self, silence_s: float) -> None:
        while True:
            request, blob = self._line.receive(silence_s)
            operation = request.get("op")
            if operation == "close":
                return
            try:
                if operation == "put":
                    self._put(request.get("name"), request.get("offset"), request.get("last"), blob)
                elif operation == "kill":
                    self._kill(request.get("group"))
                elif operation != "ping":
                    raise Refused("refused", "no operation is called %r" % (operation,))
                reply = {"ok": True}
            except Refused as error:
                reply = failure(error)
            self._line.send(reply, _SEND_S)

    def _put(self, name: object, offset: object, last: object, piece: bytes) -> None:
        """Write a piece of the file named by the SHA-256 of its content; after the last one, check the whole."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refused("refused", "a file is named by the SHA-256 of its content, not %r" % (name,))
        if type(offset) is not int or not 0 <= offset < _MAX_FILE or type(last) is not bool:
            raise Refused("refused", "a piece has an offset, and is the last or not")
        partial = self._work / (name + ".part")
        try:
            with partial.open("r+b" if offset else "wb") as file:
                file.seek(offset)
                file.write(piece)
            if last:
                if _digest(partial) != name[:64]:
                    partial.unlink()
                    raise Refused("damaged", name)
                partial.replace(self._work / name)
        except OSError as error:
            if partial.exists():
                partial.unlink()
            raise _refusal(error, self._base) from error

    def _kill(self, group: object) -> None:
        if type(group) is not int or group <= 1:
            raise Refused("refused", "a process group is a number above 1")
        processes.end(str(self._work), group)


def failure(error: Refused) -> dict[str, Any]:
    """Return how a refusal is answered."""
    return {"ok": False, "kind": error.kind, "message": str(error)[:2000]}


def main() -> None:
    """Hold the board for the workstation at the other end of standard input and output."""
    parser = argparse.ArgumentParser(description="Holds this board for a workstation, over JSON lines.")
    parser.add_argument("--base", required=True, help="the folder of the lock and the work folders")
    parser.add_argument("--holder", required=True, help="who asks, for others to know")
    parser.add_argument("--pid", type=int, required=True, help="the process that asks, on its own machine")
    parser.add_argument("--wait", type=float, required=True, help="seconds to wait for the lock")
    parser.add_argument("--silence", type=float, required=True, help="seconds without a word after which to end")
    arguments = parser.parse_args()
    for number in _SIGNALS:
        signal.signal(number, lambda *_: sys.exit())
    line = wire.Line(0, 1)
    try:
        Session(arguments.base, line).hold(arguments.holder, arguments.pid, arguments.wait, arguments.silence)
        answer = {"ok": True}
    except Refused as error:
        answer = failure(error)
    except OSError as error:
        answer = failure(_refusal(error, Path(arguments.base)))
    except wire.WireError:
        return
    line.send(answer, _SEND_S)


def _refusal(error: OSError, base: Path) -> Refused:
    kind = "full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "folder"
    return Refused(kind, "%s: %s" % (base, error.strerror))


def _remove(folder: Path) -> None:
    processes.end(str(folder))
    shutil.rmtree(str(folder), ignore_errors=True)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(2**20), b""):
            digest.update(piece)
    return digest.hexdigest()
