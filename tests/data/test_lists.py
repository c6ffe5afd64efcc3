"""Image lists: what a line may be, where its path is looked for, and one sentence for all that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data import DataError, load_pair
from harness.data.lists import read_list
from tests.data.made import classes, picture

SIZE = (16, 16)


def listed(root: Path, *, labels: str = "numbers", below: str = "") -> Path:
    """A list of the class folders a and b in `root`, with paths from `root`, in the folder `below`."""
    lines = [
        f"{path.relative_to(root).as_posix()} {'ab'.index(path.parent.name) if labels == 'numbers' else labels}"
        for path in sorted(root.glob("[ab]/*.png"))
    ]
    file = root / below / "list.txt"
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(lines) + "\n\n")
    return file


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return classes(tmp_path / "source")


@pytest.mark.parametrize("below", ["", "lists"])
def test_paths_are_relative_to_the_list_or_the_folder_above(source: Path, below: str) -> None:
    found = read_list(listed(source, below=below))
    assert found.classes == ("a", "b")
    assert found.labels == (0,) * 10 + (1,) * 10
    assert all(file.is_file() for file in found.files)


def test_paths_are_relative_to_the_data_root(source: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.txt"
    listed(source).rename(elsewhere)
    assert len(read_list(elsewhere, source)) == 20
    with pytest.raises(DataError, match=r"Line 1 of the list .*elsewhere.txt names a/0.png, which is in none of"):
        read_list(elsewhere)


def test_spaces_in_paths_tabs_and_words_as_labels(tmp_path: Path) -> None:
    picture(tmp_path / "Real World" / "one picture.png", 0)
    picture(tmp_path / "Real World" / "two.png", 1)
    (tmp_path / "list.txt").write_text("Real World/one picture.png\tzebra\nReal World/two.png ant\n")
    found = read_list(tmp_path / "list.txt")
    assert found.classes == ("ant", "zebra")
    assert found.labels == (1, 0)
    assert not found.numbered


def test_numbers_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    for label in (2, 10):
        picture(tmp_path / f"{label}.png", label)
    (tmp_path / "list.txt").write_text("10.png 10\n2.png 2\n")
    assert read_list(tmp_path / "list.txt").classes == ("2", "10")


def test_a_list_goes_with_class_folders_and_with_another_list(source: Path, tmp_path: Path) -> None:
    target = classes(tmp_path / "target", start=1000)
    expected, _ = load_pair(str(source), str(target), size=SIZE)
    found, held_out = load_pair(str(listed(source)), str(listed(target)), size=SIZE)
    assert held_out is not None
    assert found.source.images[:].equal(expected.source.images[:])
    assert found.target[:].equal(expected.target[:])
    mixed, _ = load_pair(str(listed(source)), str(target), size=SIZE)
    assert mixed.classes == ("a", "b")


def test_numbers_go_with_names_in_their_order(source: Path, tmp_path: Path) -> None:
    for index in range(20):
        picture(tmp_path / "flat" / f"{index}.png", index)
    (tmp_path / "flat" / "list.txt").write_text("".join(f"{index}.png {index % 2}\n" for index in range(20)))
    domains, held_out = load_pair(str(source), str(tmp_path / "flat" / "list.txt"), size=SIZE)
    assert held_out is not None
    assert domains.classes == ("a", "b")
    assert sorted(set(held_out.labels.tolist())) == [0, 1]


def test_a_target_list_of_paths_alone_has_no_labels(source: Path, tmp_path: Path) -> None:
    target = classes(tmp_path / "target")
    file = listed(target)
    file.write_text("".join(f"{line.split()[0]}\n" for line in file.read_text().splitlines() if line))
    domains, held_out = load_pair(str(source), str(file), size=SIZE)
    assert held_out is None
    assert len(domains.target) == 20
    with pytest.raises(DataError, match=r"source .*list.txt holds images but no class"):
        load_pair(str(file), str(target), size=SIZE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a/0.png 0\na/1.png\n", "Line 2 of the list .* gives no label, but others do"),
        ("a/0.png 0\na/missing.png 1\n", r"Line 2 of the list .* names a/missing.png, which does not exist in"),
        ("missing.png 1\n", "Line 1 of the list .* names missing.png, which is in none of"),
        ("a/0.png 0\nlist.txt 1\n", r"names list.txt, which is no image"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(source: Path, content: str, message: str) -> None:
    (source / "list.txt").write_text(content)
    with pytest.raises(DataError, match=message):
        read_list(source / "list.txt")


def test_a_list_that_is_no_text_is_named(source: Path) -> None:
    with pytest.raises(DataError, match=r"0.png cannot be read: it is not a text file"):
        read_list(source / "a" / "0.png")


def test_other_classes_are_listed(source: Path, tmp_path: Path) -> None:
    target = classes(tmp_path / "target")
    with pytest.raises(DataError, match="differ: only in the source a, b, only in the target cat"):
        load_pair(str(source), str(listed(target, labels="cat")), size=SIZE)
