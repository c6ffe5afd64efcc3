"""Run folders that somebody else has put something into: each ends a command in one sentence, with exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import ModelProto

from tests.devices.external import as_constant_in_a_branch, as_weight
from tests.runs import Runner, assert_one_sentence


def of_another_format(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))


@pytest.mark.parametrize("name", ["run.json", "bank/bank.json"])
def test_another_format_is_told_as_such(runner: Runner, copied: Path, store: Path, name: str) -> None:
    of_another_format(copied / name)
    done = runner("search", "--run", copied, "--store", store)
    assert done.code == 2
    assert "of format 2, and this version reads format 1" in done.sentence
    assert_one_sentence(done)


@pytest.mark.parametrize("form", [as_weight, as_constant_in_a_branch])
def test_exported_files_with_weights_elsewhere_are_not_reported_on(
    runner: Runner, copied: Path, store: Path, form: Callable[[str], ModelProto]
) -> None:
    for file in (copied / "subnets").glob("*.onnx"):
        file.write_bytes(form("../../run.json").SerializeToString())
    done = runner("report", "--run", copied, "--store", store)
    assert done.code == 2
    assert "is no exported subnet: its weights lie in another file" in done.sentence
    assert_one_sentence(done)


def test_a_table_that_is_none_is_not_reported_on(runner: Runner, copied: Path, store: Path) -> None:
    (copied / "tradeoff.csv").write_bytes(b"\0" * 1000)
    done = runner("report", "--run", copied, "--store", store)
    assert done.code == 2
    assert "tradeoff.csv" in done.sentence
    assert_one_sentence(done)
