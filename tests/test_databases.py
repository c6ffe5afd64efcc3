"""SQLite files that are damaged, of something else, or held by another process: used, or refused in one sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import databases
from harness.files import WriteError
from harness.measuring import Store, StoreError, Subject
from harness.search import ScoreBook, ScoreBookError
from tests.hostile import damaged, read_or_refused, refusal
from tests.measuring.records import FINGERPRINT, record


def use_store(path: Path) -> None:
    store = Store(path)
    store.find(FINGERPRINT, Subject("any name", Path("any.onnx"), "t"), "finalist")
    store.add([record()])


def use_scores(path: Path) -> None:
    book = ScoreBook(path)
    book.all("key")
    book.add("key", {(8, 16): 0.25, (8, 32): 0.5})


@pytest.mark.parametrize(("use", "error"), [(use_store, StoreError), (use_scores, ScoreBookError)])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_used_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    use: Callable[[Path], None],
    error: type[Exception],
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.getbasetemp() / f"{use.__name__}.sqlite"
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()
    use(path)
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    read_or_refused(lambda: use(path), error, WriteError)


def test_letters_that_are_damaged_are_no_disk_that_refuses(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    use_scores(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE scores SET widths = CAST(x'382d80' AS TEXT) WHERE widths = '8-16'")
    assert "remove the file" in refusal(lambda: use_scores(path), ScoreBookError)


def test_one_that_another_process_holds_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scores.sqlite"
    use_scores(path)
    monkeypatch.setattr(databases, "_BUSY_S", 0.1)
    with sqlite3.connect(path) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert "database is locked" in refusal(lambda: use_scores(path), WriteError)
