"""The fake Jetson refuses what the real versions refuse: what passes on it has not passed by leniency."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.boards.fake_jetson.binding import fill
from tests.boards.jetson import FakeJetson
from tests.devices.conftest import MakeBoard


def binding(version: str) -> dict[str, object]:
    found: dict[str, object] = {}
    fill(found, version)
    return found


@pytest.mark.parametrize(
    ("version", "creation", "flags"),
    [
        ("8.5.2.2", {"EXPLICIT_BATCH"}, {"FP16", "INT8"}),
        ("10.3.0", {"EXPLICIT_BATCH", "STRONGLY_TYPED"}, {"FP16", "INT8"}),
        ("11.0.0.114", {"STRONGLY_TYPED"}, set()),
    ],
)
def test_a_version_has_the_flags_that_it_has(version: str, creation: set[str], flags: set[str]) -> None:
    module = binding(version)
    for name, members in (("NetworkDefinitionCreationFlag", creation), ("BuilderFlag", flags)):
        kind = module[name]
        for flag in ("EXPLICIT_BATCH", "STRONGLY_TYPED") if name.startswith("Network") else ("FP16", "INT8"):
            if flag in members:
                assert hasattr(kind, flag)
            else:
                with pytest.raises(AttributeError):
                    getattr(kind, flag)
    assert hasattr(module["Builder"], "platform_has_fast_fp16") == bool(flags)


def run_on(board: FakeJetson, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(board.folder / "bin" / command[0]), *command[1:]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )


def test_the_board_s_own_python_finds_the_binding_and_the_cuda_runtime(make_board: MakeBoard) -> None:
    board = make_board("5")
    code = (
        "import ctypes, os, tensorrt; ctypes.CDLL('libcudart.so.11.0');"
        "print(tensorrt.__version__, os.environ['SLIMDA_AGENT_ROOT'])"
    )
    done = run_on(board, "python3", "-c", code)
    assert done.stdout.split() == ["8.5.2.2", str(board.root)], done.stderr


@pytest.mark.parametrize(
    ("jetpack", "option"),
    [
        ("5", "--skipInference"),
        ("5", "--stronglyTyped"),
        ("5", "--includeDataTransfers"),
        ("6", "--buildOnly"),
        ("6", "--noCudaGraph"),
        ("desktop", "--fp16"),
        ("desktop", "--int8"),
        ("desktop", "--buildOnly"),
    ],
)
def test_an_option_of_another_version_is_unknown(make_board: MakeBoard, jetpack: str, option: str) -> None:
    done = run_on(make_board(jetpack), "trtexec", "--onnx=x", option)
    assert done.returncode == 1
    assert f"[E] Unknown option: {option}" in done.stderr


@pytest.mark.parametrize(("jetpack", "inside"), [("5", True), ("6", True), ("desktop", False)])
def test_transfers_are_inside_by_default_until_version_10(
    make_board: MakeBoard, jetpack: str, inside: bool, network: Path, tmp_path: Path
) -> None:
    board, times = make_board(jetpack), tmp_path / "times.json"
    done = run_on(
        board, "trtexec", f"--onnx={network}", f"--exportTimes={times}", "--exposeDMA", "--iterations=3", "--duration=0"
    )
    assert done.returncode == 0, done.stderr
    assert all((entry["h2dMs"] > 0) == inside for entry in json.loads(times.read_text()))


EARLY = """
import ctypes
from agent.engines.cudart import first_device
cuda = first_device()
cuda.activate()
pinned = cuda.pinned_memory
with cuda.stream() as stream, cuda.memory(4) as device, pinned(4) as source, pinned(4) as target:
    read = lambda address: ctypes.c_int.from_address(address).value
    ctypes.c_int.from_address(source).value = 7
    cuda.copier_in(device, source, 4, stream)()
    cuda.copier_out(target, device, 4, stream)()
    print(read(target), end=" ")
    cuda.synchroniser(stream)()
    print(read(target), end=" ")
    for call in (cuda.copier_in(source, device, 4, stream), cuda.copier_in(device, source, 8, stream)):
        try:
            call()
        except Exception as error:
            print(type(error).__name__, end=" ")
"""


def test_nothing_is_copied_before_it_is_waited_for_and_no_copy_leaves_its_memory(make_board: MakeBoard) -> None:
    make_board("6")
    done = subprocess.run(
        [sys.executable, "-c", EARLY],
        cwd=Path(__file__).parents[2] / "devices",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=dict(os.environ),
    )
    assert done.stdout.split() == ["-1", "7", "EngineError", "EngineError"]
