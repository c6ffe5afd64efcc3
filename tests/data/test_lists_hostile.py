"""Image lists from strangers: read, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data import DataError
from harness.data.lists import read_list
from tests.data.made import classes
from tests.hostile import damaged, read_or_refused, refusal

PATHS = ("a/0.png", "b/1.png", "../x", "/etc/passwd", "a/" * 3000 + "0.png", "x" * 300 + ".png", "a/\0.png", "\x1b[2J")
LABELS = ("", " 0", " 1", " -1", " ²", " ٣", " " + "1" * 5000, " cat", " \0", " " + "x" * 10_000, " a\u2028b", "\t\t")
LINES = st.lists(st.builds(str.__add__, st.sampled_from(PATHS), st.sampled_from(LABELS)), max_size=4)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classes(tmp_path_factory.mktemp("images"), count=2)


@settings(max_examples=150, deadline=None)
@given(content=LINES.map(lambda lines: "\n".join(lines).encode()) | damaged(b"a/0.png 0\na/1.png 0\nb/0.png 1\n"))
def test_any_list_is_read_or_refused_in_one_sentence(root: Path, content: bytes) -> None:
    (root / "list.txt").write_bytes(content)
    read_or_refused(lambda: read_list(root / "list.txt"), DataError)


@pytest.mark.parametrize("label", ["²", "1" * 5000], ids=["superscript", "digits"])
def test_what_only_looks_like_a_number_is_a_word(root: Path, label: str) -> None:
    (root / "list.txt").write_text(f"a/0.png {label}\nb/0.png 0\na/1.png 0\nb/1.png {label}\n")
    found = read_list(root / "list.txt")
    assert not found.numbered
    assert found.classes is not None
    assert set(found.classes) == {label, "0"}


@pytest.mark.parametrize("first", ["", "a/0.png 0\n"], ids=["first", "later"])
def test_a_path_longer_than_any_file_system_takes_is_refused(root: Path, first: str) -> None:
    (root / "list.txt").write_text(f"{first}{'x' * 5000}.png 1\n")
    assert "names xxx" in refusal(lambda: read_list(root / "list.txt"), DataError)
