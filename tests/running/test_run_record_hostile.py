"""run.json from strangers: read, or refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings

from harness.running.holding import RunError
from harness.running.run_folder import RunFolder, read_record
from tests.hostile import damaged, mutated, read_or_refused, refusal
from tests.running.record import RECORD


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


def read_and_kept(folder: Path) -> None:
    """Read a record; what is read can be written again, and read again."""
    RunFolder(folder, read_record(folder)).save()
    read_record(folder)


def document() -> dict[str, object]:
    found: dict[str, object] = json.loads(RECORD.model_dump_json())
    return found


@settings(max_examples=100, deadline=None)
@given(content=mutated(document()) | damaged(RECORD.model_dump_json().encode()))
def test_any_record_is_read_or_refused_in_one_sentence(folder: Path, content: bytes) -> None:
    (folder / "run.json").write_bytes(content)
    read_or_refused(lambda: read_and_kept(folder), RunError)


def test_a_record_that_nothing_is_wrong_with_is_read(folder: Path) -> None:
    (folder / "run.json").write_text(RECORD.model_dump_json())
    assert read_record(folder) == RECORD


def test_a_record_of_another_format_is_told_from_a_damaged_one(folder: Path) -> None:
    (folder / "run.json").write_text(json.dumps({"format": 2, "question": "other fields"}))
    told = refusal(lambda: read_record(folder), RunError)
    assert "format 2" in told
    assert "format 1" in told


def test_a_folder_in_place_of_the_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    assert "run.json" in refusal(lambda: read_record(tmp_path), RunError)


def test_a_file_in_place_of_the_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    assert "run" in refusal(lambda: read_record(tmp_path / "run"), RunError)
