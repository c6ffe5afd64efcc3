"""The two ends of the agent's line, each alone in this process: what the other end says is read from a file."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from devices import AgentProcess
from devices.agent import wire
from devices.agent.engines import Engines
from devices.agent.engines.contract import Engine, Model, Samples, Settings
from devices.agent.server import Server
from devices.profile import TimeOuts

if TYPE_CHECKING:
    from devices.agent.engines.contract import Array


class StillModel(Model):
    """A network that takes no time."""

    input_shape = (1, 1, 8, 8)

    def visit(self, array: Array, untimed: int, timed: int) -> Samples:
        return Samples([1] * timed, [])

    def infer(self, array: Array) -> Array:
        return np.zeros((1, 4, 1, 1), np.float32)

    def unload(self) -> None:
        pass


class StillEngine(Engine):
    """A runtime that loads any file as that network."""

    def describe(self) -> dict[str, Any]:
        return {"version": "1", "options": "", "precisions": ["fp32", "int8"]}

    def load(self, path: str, settings: Settings) -> Model:
        return StillModel()


class StillEngines(Engines):
    """Has no other engine, called onnxruntime."""

    def __init__(self) -> None:
        self._made = {"onnxruntime": StillEngine()}
        self._described = {}


def still_server(work: Path, root: str = "/") -> Server:
    """The agent on networks that take no time; it looks for its machine's files below `root`."""
    server = Server(str(work), root)
    server._engines = StillEngines()
    return server


def served(server: Server, requests: bytes) -> list[dict[str, Any]]:
    """What the agent answers to lines from the workstation; raises `wire.WireError` where the line fails."""
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as answers:
        asked.write(requests)
        asked.seek(0)
        server.serve(wire.Line(asked.fileno(), answers.fileno()), 5.0)
        answers.seek(0)
        line = wire.Line(answers.fileno(), asked.fileno())
        replies = []
        while True:
            try:
                replies.append(line.receive(5.0)[0])
            except wire.Closed:
                return replies


class _Ended:
    """What remains of an agent that has said all it will."""

    def __init__(self, said: bytes) -> None:
        self.stdin = Path(os.devnull).open("wb")  # noqa: SIM115 (closed by the agent's process object)
        self.stdout = tempfile.TemporaryFile()  # noqa: SIM115
        self.stdout.write(said)
        self.stdout.seek(0)
        self.pid = 0

    def poll(self) -> int:
        return 0

    def wait(self, timeout: float | None = None) -> int:
        return 0


def agent_that_said(said: bytes) -> AgentProcess:
    """An agent, seen from the workstation, that answers with these bytes whatever it is asked."""
    errors = tempfile.TemporaryFile()  # noqa: SIM115
    return AgentProcess(cast("subprocess.Popen[bytes]", _Ended(said)), errors, TimeOuts(), lambda: "")
