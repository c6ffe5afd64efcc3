"""One run at a time: a lock that its holder's death gives back."""

from __future__ import annotations

import fcntl
import json
import os
from datetime import datetime, timezone


class Lock:
    """An advisory lock on a file, whose content says who holds it and since when."""

    def __init__(self, path: str) -> None:
        """Open the file, made where it is absent; raises `OSError`."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._held = False

    def take(self, holder: str, pid: int) -> bool:
        """Take the lock for process `pid` of `holder` and return True, or return False where another has it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._held = True
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps({"holder": holder, "pid": pid, "since": since}).encode(), 0)
        return True

    def holder(self) -> str:
        """Return who has the lock, in words."""
        try:
            content = json.loads(os.pread(self._descriptor, 1000, 0).decode())
            return "%.200s, process %d (since %.40s)" % (content["holder"], content["pid"], content["since"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return "another process"

    def close(self) -> None:
        """Give the lock back where it is held."""
        if self._held:
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
