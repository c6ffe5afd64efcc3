"""Transports: how files and requests reach a device."""

import subprocess
from pathlib import Path
from typing import IO, Protocol


class Transport(Protocol):
    """A connection to one device: held from `open` to `close`, exclusively."""

    def open(self) -> None:
        """Connect, take the device's lock, and make the work folder; raises `DeviceError`."""

    def put(self, path: Path) -> str:
        """Bring a file into the work folder under the name of its content; return that name."""

    def start(self, silence_s: float, errors: IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start a fresh agent with pipes for its standard input and output."""

    def fault(self) -> str:
        """Return why the connection is lost; nothing while it stands."""

    def interrupt(self) -> None:
        """End an `open` that another thread is in, or begins later, with a `DeviceError`; what is open stays open."""

    def close(self) -> None:
        """Remove the work folder and give the lock back."""
