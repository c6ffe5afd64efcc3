"""One run at a time on this machine."""

import getpass
import os
import socket
import time
from pathlib import Path
from threading import Event

from devices.agent.lock import Lock
from devices.errors import DeviceBusy, DeviceError

_POLL_S = 0.2


class DeviceLock:
    """The lock of `devices.agent.lock`, waited for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: Lock | None = None
        self._interrupted = Event()

    def acquire(self, wait_s: float) -> None:
        """Take the lock, waiting at most `wait_s` seconds.

        Raises `DeviceBusy` naming the holder, and `DeviceError` where the waiting is interrupted.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = Lock(str(self._path))
        deadline = time.monotonic() + wait_s
        while not lock.take(user_at_machine(), os.getpid()):
            if time.monotonic() >= deadline:
                holder = lock.holder()
                lock.close()
                raise busy("the device", holder)
            if self._interrupted.wait(_POLL_S):
                lock.close()
                raise DeviceError("waiting for the device was interrupted")
        self._lock = lock

    def interrupt(self) -> None:
        """End the waiting for the lock, from any thread."""
        self._interrupted.set()

    def release(self) -> None:
        """Give the lock back; does nothing where it is not held."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def busy(device: str, holder: str) -> DeviceBusy:
    """Return the error that names who has the device."""
    return DeviceBusy(f"{device} is busy: {holder} is measuring on it; try again after that")


def user_at_machine() -> str:
    """Return who asks, as others will read it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user number without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
