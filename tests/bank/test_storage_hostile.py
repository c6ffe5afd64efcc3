"""Bank folders from strangers: read, or refused in one sentence, whatever the files claim."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bank import BankError, load_bank, save_bank
from harness.bank.storage import DESCRIPTION, WEIGHTS
from tests.bank.factory import lived_in_bank
from tests.hostile import damaged, mutated, read_or_refused, refusal


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_bank(lived_in_bank("resnet8"), folder, {"seed": 3, "method": "slimda"})
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "copy")


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_description_is_read_or_refused_in_one_sentence(saved: Path, data: st.DataObject) -> None:
    path = saved / DESCRIPTION
    content = path.read_bytes()
    document = json.loads(content)
    apart = {**document, "standalone": ["32-32-64-128-32-64-128", "4-4-8-16-4-8-16"]}
    try:
        path.write_bytes(data.draw(mutated(document) | mutated(apart) | damaged(content)))
        read_or_refused(lambda: load_bank(saved), BankError)
    finally:
        path.write_bytes(content)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_weights_are_read_or_refused_in_one_sentence(saved: Path, data: st.DataObject) -> None:
    path = saved / WEIGHTS
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header, rest = content[8 : 8 + length], content[8 + length :]
    changed = data.draw(mutated(json.loads(header)) | damaged(header))
    try:
        path.write_bytes(len(changed).to_bytes(8, "little") + changed + rest)
        read_or_refused(lambda: load_bank(saved), BankError)
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize(
    "change",
    [
        {"input_shape": [10**9, 16, 16]},
        {"input_shape": [-1, 16, 16]},
        {"input_shape": [1, 0, 16]},
        {"input_shape": [10**30, 16, 16]},
        {"classes": ["x"] * 100_000},
        {"standalone": ["8"] * 10_000},
        {"standalone": [f"{'9' * 5000}-1"]},
        {"model": "r" * 10_000},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_would_not_fit_into_memory_is_refused_before_it_is_made(folder: Path, change: dict[str, object]) -> None:
    path = folder / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    refusal(lambda: load_bank(folder), BankError)


def test_a_bank_of_another_format_is_told_from_a_damaged_one(folder: Path) -> None:
    path = folder / DESCRIPTION
    path.write_text(json.dumps({"format": 2, "network": "resnet8"}))
    told = refusal(lambda: load_bank(folder), BankError)
    assert "format 2" in told
    assert "format 1" in told


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_a_folder_in_place_of_a_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    assert folder.name in refusal(lambda: load_bank(folder), BankError)


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "bank").touch()
    assert "bank" in refusal(lambda: load_bank(tmp_path / "bank"), BankError)
