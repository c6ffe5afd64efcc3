"""One run at a time: a lock that its holder's death gives back."""

import fcntl
import json
import os
import time
from datetime import datetime, timezone
from pathlib import Path

from devices.errors import DeviceBusy

_POLL_S = 0.2


class DeviceLock:
    """An advisory lock on a file, whose content says who holds it and since when."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, wait_s: float) -> None:
        """Take the lock, waiting at most `wait_s` seconds; raises `DeviceBusy` naming the holder."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    holder = _holder(descriptor)
                    os.close(descriptor)
                    raise DeviceBusy(f"the device is busy: {holder} is measuring on it; try again after that") from None
                time.sleep(_POLL_S)
        os.ftruncate(descriptor, 0)
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "since": since}).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; does nothing where it is not held."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def _holder(descriptor: int) -> str:
    try:
        content = json.loads(os.pread(descriptor, 1000, 0))
        return f"process {int(content['pid'])} (since {content['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
