"""`devices`: what answers, what was found there, and how to get what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import onnxruntime
import pytest

from devices import connect, load_profile
from devices.agent.engines import MODULES
from devices.profile import Engine
from harness.readiness.survey import HOW_TO_GET
from tests.runs import Runner, write_profile
from tests.sshd import Board

OVER_SSH = """
name = "desk"
transport = "ssh"
host = "{host}"
ssh_config = "{config}"
engines = ["trtexec", "onnxruntime"]
precisions = ["fp32"]
[timeouts]
connect_s = 5.0
"""


def over_ssh(folder: Path, board: Board, host: str = "board") -> Path:
    path = folder / "desk.toml"
    path.write_text(OVER_SSH.format(host=host, config=board.config))
    return path


def test_every_engine_that_a_profile_may_name_has_a_module_and_words_on_how_to_get_it() -> None:
    assert set(get_args(Engine)) == set(MODULES) == set(HOW_TO_GET)


def test_every_known_profile_has_a_line_and_those_without_a_host_say_how_to_name_one(runner: Runner) -> None:
    done = runner("devices", "--json")
    assert done.code == 0, done.err
    found = {device["device"]: device for device in json.loads(done.out)}
    assert {"cpu", "cuda", "jetson", "ssh-cpu"} <= set(found)
    assert found["cpu"]["status"] == "ready"
    assert found["cpu"]["engines"][0]["version"] == onnxruntime.__version__
    assert found["jetson"]["status"] == "no host"
    assert "--host" in found["jetson"]["problem"]
    assert done.err.count("no host is named") == 1, "what several lack is said once, with their names"


def test_a_board_that_answers_is_described_beside_what_it_lacks(runner: Runner, tmp_path: Path, board: Board) -> None:
    done = runner("devices", "--device", over_ssh(tmp_path, board), "--json")
    assert done.code == 0, done.err
    (found,) = json.loads(done.out)
    assert found["status"] == "ready"
    lacking, present = found["engines"]
    assert (present["engine"], present["missing"]) == ("onnxruntime", None)
    assert lacking["missing"]
    assert "sudo apt install libnvinfer-bin" in done.err


def test_a_board_that_does_not_answer_costs_exit_code_3_only_where_it_was_asked_for(
    runner: Runner, tmp_path: Path, board: Board
) -> None:
    done = runner("devices", "--device", f"cpu,{over_ssh(tmp_path, board, 'nonexistent.invalid')}", "--json")
    assert done.code == 3
    here, there = json.loads(done.out)
    assert (here["status"], there["status"]) == ("ready", "not reachable")
    assert "nonexistent.invalid" in there["problem"]


def test_a_busy_machine_says_who_measures_on_it(runner: Runner, tmp_path: Path) -> None:
    with connect(load_profile(write_profile(tmp_path, "mine"))):
        done = runner("devices", "--device", "cpu", "--json")
    assert done.code == 3
    (found,) = json.loads(done.out)
    assert found["status"] == "busy"
    assert "is measuring on it" in found["problem"]


def test_a_user_s_own_profile_is_known_by_its_name(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "slimda-edge" / "profiles"
    folder.mkdir(parents=True)
    write_profile(folder, "attic")
    done = runner("devices", "--device", "attic", "--json")
    assert [device["device"] for device in json.loads(done.out)] == ["attic"]
