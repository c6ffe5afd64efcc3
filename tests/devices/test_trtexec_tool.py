"""What trtexec writes, and where it is looked for."""

import math
from pathlib import Path

import pytest

from devices.agent.engines import trtexec_tool
from devices.agent.engines.contract import EngineError
from devices.agent.engines.trtexec_tool import read_output, read_times

TIMES = '[ {{ "startH2dMs" : 1.5, "endD2hMs" : {end}, "computeMs" : {compute} }} ]'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        "null",
        '{"startH2dMs": 1}',
        TIMES.format(end=3, compute='"2"'),
        TIMES.format(end=3, compute="true"),
        TIMES.format(end="NaN", compute=1),
        TIMES.format(end="1e999", compute=1),
        TIMES.format(end=1.5, compute=1),
        TIMES.format(end=1.0, compute=1),
        TIMES.format(end=3, compute=0),
        TIMES.format(end=3, compute=1e-9),
    ],
)
def test_a_file_of_times_without_sense_is_refused(text: str) -> None:
    with pytest.raises(EngineError):
        read_times(text, 1)


def test_times_become_nanoseconds_and_the_last_runs_count() -> None:
    entries = ", ".join(TIMES.format(end=1.5 + n, compute=f"{n}e-1")[1:-1] for n in range(1, 5))
    samples = read_times(f"[{entries}]", 2)
    assert samples.host == [3_000_000, 4_000_000]
    assert samples.compute == [300_000, 400_000]


OUTPUT = '[\n  {{ "name" : "logits"\n  , "dimensions" : "{shape}"\n  , "values" : [ {values} ]\n  }}\n]\n'


def test_an_output_is_read_with_what_is_no_number() -> None:
    found = read_output(OUTPUT.format(shape="(1, 5)", values="1.25, -2e-05, nan, -nan, -inf"))
    assert found.shape == (1, 5)
    assert found.values[:2] == [1.25, -2e-05]
    assert all(map(math.isnan, found.values[2:4]))
    assert found.values[4] == -math.inf


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        OUTPUT.format(shape="(1, 2)", values="1"),
        OUTPUT.format(shape="(1)", values='"x"'),
        OUTPUT.format(shape="(1)", values="[]"),
        "[1]",
        '[{"name": "a", "dimensions": 3, "values": [1]}]',
    ],
)
def test_an_output_without_sense_is_refused(text: str) -> None:
    with pytest.raises(EngineError):
        read_output(text)


def test_the_places_of_the_packages_come_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in (("package", 8502), ("path", 100300)):
        program = tmp_path / name / "trtexec"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho '&&&& RUNNING TensorRT.trtexec [TensorRT v{number}] # trtexec --help'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(trtexec_tool, "_PLACES", (str(tmp_path / "absent"), str(tmp_path / "package" / "trtexec")))
    assert trtexec_tool.Trtexec().version == "8.5.2"
    (tmp_path / "package" / "trtexec").unlink()
    assert trtexec_tool.Trtexec().version == "10.3.0"
