"""What the agent is asked and does not do, in words."""

import re
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from devices import (
    AgentProcess,
    Device,
    DeviceError,
    Visit,
)
from devices.agent import wire


def test_images_of_another_shape_are_refused(device: Device, network: Path) -> None:
    with pytest.raises(DeviceError, match=r"takes \[1, 1, 8, 8\]"):
        device.infer(network, np.zeros((2, 3, 8, 8), np.float32))


def test_an_unloaded_network_cannot_be_visited(device: Device, agent: AgentProcess, network: Path) -> None:
    model = device.load(agent, network)
    agent.unload(model)
    with pytest.raises(DeviceError, match="handle"):
        agent.run_round([Visit(model.handle, 0, 1)])


def test_a_file_outside_the_work_folder_is_refused(agent: AgentProcess, device: Device, network: Path) -> None:
    name = device.put(network)
    work = Path(psutil.Process(agent.pid).cwd())
    (work / "link.onnx").symlink_to(network)
    for escape in (str(network), f"../{work.name}/../../{network.name}", "link.onnx", "/etc/passwd", "."):
        with pytest.raises(DeviceError, match="outside the work folder"):
            agent.load(escape, engine="onnxruntime", threads=1)
    with pytest.raises(DeviceError, match="no file 'absent'"):
        agent.load("absent", engine="onnxruntime", threads=1)
    assert agent.load(name, engine="onnxruntime", threads=1).finite


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"op": "explode"}, "no operation"),
        ({"op": 7}, "'op' must be of type str"),
        ({"op": "describe", "v": 99}, "speaks version"),
        ({"op": "describe", "engines": "tvm"}, "must be of type list"),
        ({"op": "describe", "engines": [7]}, "a list of at most"),
        ({"op": "load", "file": "x"}, "'threads'|no file"),
        ({"op": "round", "visits": [[1, 0, 0]]}, "at least one timed run"),
        ({"op": "round", "visits": [[1, 0, True]]}, "a visit is"),
        ({"op": "round", "visits": [[1, 0, 5]]}, "no network has the handle 1"),
        ({"op": "infer", "handle": 3}, "no network has the handle 3"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_in_words(
    agent: AgentProcess, fields: dict[str, object], words: str
) -> None:
    operation = {"v": wire.VERSION, "id": 1, **fields}
    agent._line.send(operation, 10.0)
    reply, _ = agent._line.receive(30.0)
    assert reply["ok"] is False
    assert reply["id"] == 1
    assert re.search(words, reply["message"]), reply["message"]


def test_a_round_of_endless_runs_is_refused(device: Device, agent: AgentProcess, network: Path) -> None:
    model = device.load(agent, network)
    with pytest.raises(DeviceError, match="at most"):
        agent.run_round([Visit(model.handle, 0, 10**9)])


@pytest.mark.parametrize("request_line", [b"x" * (wire.MAX_LINE + 1), b"hello"], ids=["oversize", "malformed"])
def test_an_unreadable_request_is_refused_and_the_agent_goes_on(agent: AgentProcess, request_line: bytes) -> None:
    agent._line._write_all(request_line + b"\n", time.monotonic() + 10)
    reply, _ = agent._line.receive(30.0)
    assert (reply["ok"], reply["kind"]) == (False, "refused")
    assert [e.engine for e in agent.describe(["onnxruntime"]).engines] == ["onnxruntime"]
