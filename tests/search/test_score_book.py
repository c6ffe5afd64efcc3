from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.bank import ModelBank, create_bank, create_standalone_bank
from harness.files import WriteError
from harness.search import ScoreBook, ScoreBookError, Scorer
from harness.search.score_book import score_key
from harness.search.walk import Walk


@pytest.fixture
def bank() -> ModelBank:
    return create_bank("resnet8", ("a", "b", "c"), (1, 16, 16), seed=3)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(8, 1, 16, 16, generator=torch.Generator().manual_seed(5))


def test_a_killed_search_replays_its_scores(
    bank: ModelBank, images: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archs = bank.space.drops(bank.space.full, 0.5)
    first = Scorer(bank, images, book=ScoreBook(tmp_path / "scores.sqlite"))
    scores = first(archs)
    assert first.evaluations == len(archs)
    monkeypatch.setattr(Walk, "logits", None)
    again = Scorer(bank, images, book=ScoreBook(tmp_path / "scores.sqlite"))
    assert dict(again.scores) == {}
    assert again(archs) == scores
    assert again.evaluations == 0
    assert dict(again.scores) == dict(zip(archs, scores, strict=True))


def test_a_search_that_goes_on_computes_only_what_is_new(bank: ModelBank, images: torch.Tensor, tmp_path: Path) -> None:
    book = ScoreBook(tmp_path / "scores.sqlite")
    known, new = bank.space.drops(bank.space.full, 0.5)[:2]
    before = Scorer(bank, images, book=book)([known])
    scorer = Scorer(bank, images, book=book)
    mixed = scorer([new, known])
    assert mixed[1:] == before
    assert scorer.evaluations == 1
    assert mixed[0] == pytest.approx(Scorer(bank, images)([new])[0], abs=1e-5)


def test_every_score_under_a_key_is_read_back(tmp_path: Path) -> None:
    book = ScoreBook(tmp_path / "scores.sqlite")
    book.add("one", {(4, 8): 0.1 + 0.2, (4, 6): 0.0})
    book.add("other", {(4, 8): 0.5})
    book.add("one", {(2, 2): 1e-12})
    assert ScoreBook(book.path).all("one") == {(4, 8): 0.1 + 0.2, (4, 6): 0.0, (2, 2): 1e-12}
    assert book.all("none") == {}


def changed(name: str, bank: ModelBank, images: torch.Tensor) -> dict[str, Any]:
    other = create_bank("resnet8", ("a", "b", "c"), (1, 16, 16), seed=4)
    narrow = bank.space.uniform(0.5)
    changes: dict[str, dict[str, Any]] = {
        "weights": {"bank": other},
        "networks": {"bank": create_standalone_bank(bank, [narrow])},
        "images": {"images": images.flip(0)},
        "anchor": {"anchors": (narrow,)},
        "norm": {"norm": "l1"},
        "temperature": {"temperature": 0.5},
    }
    return changes[name]


@pytest.mark.parametrize("name", ["weights", "networks", "images", "anchor", "norm", "temperature"])
def test_what_a_score_depends_on_changes_its_key(name: str, bank: ModelBank, images: torch.Tensor) -> None:
    fields: dict[str, Any] = {
        "bank": bank,
        "images": images,
        "anchors": (bank.space.full,),
        "norm": "l2",
        "temperature": 1.0,
    }
    assert score_key(**fields) == score_key(**fields)
    assert score_key(**fields) != score_key(**(fields | changed(name, bank, images)))


def test_a_network_apart_that_was_trained_further_has_another_key(bank: ModelBank, images: torch.Tensor) -> None:
    narrow = bank.space.uniform(0.5)
    apart = create_standalone_bank(bank, [narrow])
    before = score_key(apart, images, (bank.space.full,), "l2", 1.0)
    with torch.no_grad():
        apart.weights_of(narrow).heads.adapted.bias.add_(1)
    assert score_key(apart, images, (bank.space.full,), "l2", 1.0) != before


def test_a_file_that_is_no_book_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    path.write_text("not a database, but long enough to be looked at as if it were one" * 20)
    with pytest.raises(ScoreBookError, match=r"scores.sqlite cannot be used: .*; remove the file"):
        ScoreBook(path)
    with pytest.raises(WriteError, match="cannot be used"):
        ScoreBook(tmp_path / "missing" / "scores.sqlite")


def test_a_book_of_another_version_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(ScoreBookError, match="of version 7, not 1; remove the file"):
        ScoreBook(path)


@pytest.mark.parametrize("widths", ["x", "", "9" * 5000, b"\xff", "8-0"])
def test_a_book_of_something_else_is_refused_in_words(tmp_path: Path, widths: str | bytes) -> None:
    path = tmp_path / "scores.sqlite"
    book = ScoreBook(path)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO scores VALUES ('key', ?, 0.5)", (widths,))
    with pytest.raises(ScoreBookError, match="are not those of subnets; remove the file"):
        book.all("key")
