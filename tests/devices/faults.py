"""The real agent with one thing gone wrong in it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

from devices import Device, DeviceProfile
from devices.transports.local import LocalTransport


class FaultyTransport(LocalTransport):
    """The local transport, whose agent runs a few statements of the test's before its own main."""

    def __init__(self, state: Path, fault: str) -> None:
        super().__init__(state, lock_wait_s=0.0)
        self._fault = fault

    def start(self, silence_s: float, errors: IO[bytes]) -> "subprocess.Popen[bytes]":
        work = self._folder
        code = (
            f"import os, sys, time; sys.path.insert(0, {str(work / 'agent.pyz')!r})\n"
            f"import agent.host, agent.server\n{self._fault}\nagent.server.main()"
        )
        return subprocess.Popen(
            [sys.executable, "-c", code, "--work", str(work), "--silence", str(silence_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=work,
            env=dict(os.environ),
            start_new_session=True,
        )


def faulty_device(profile: DeviceProfile, state: Path, fault: str) -> Device:
    """Return a device whose agent has `fault`, to be entered as a context manager."""
    return Device(profile, FaultyTransport(state, fault))
