"""The real agent with one thing gone wrong in it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

from devices import Device, DeviceProfile, Precision
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
            f"import agent.host, agent.main, agent.server\n{self._fault}\nagent.main.main()"
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


_ANSWERING = """
import agent.engines.onnxruntime_engine as e
load = e.OnnxRuntimeEngine.load
def loaded(self, path, settings):
    model = load(self, path, settings)
    if os.path.basename(path).startswith({file!r}):
        infer = model.infer
        def changed(array):
            answer = lambda: infer(array)
            return {change}
        model.infer = changed
    return model
e.OnnxRuntimeEngine.load = loaded
"""


def answering(change: str, file: str = "") -> str:
    """Return the fault of an engine that answers with the expression `change` of `answer()`.

    `file` is the SHA-256 of the only network that it answers so for; without it, it does so for all.
    """
    return _ANSWERING.format(change=change, file=file)


def faulty_device(profile: DeviceProfile, state: Path, fault: str, precision: Precision = "fp32") -> Device:
    """Return a device whose agent has `fault`, to be entered as a context manager."""
    return Device(profile, FaultyTransport(state, fault), precision)
