"""A domain of a photographic data set, as its download unpacks: class folders or image lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.data.catalogue import DataSet
from harness.data.domains import DataError
from harness.data.folders import scan, visible
from harness.data.listing import Listing, ordered
from harness.data.lists import read_list
from harness.data.places import absent, children, places, plain

LIST_FOLDERS = ("image_list", "image_lists", "list", "lists", "txt_list")
LIST_ENDINGS = ("", "list")
TRUNK = re.compile(r"trunk\d+")  # VisDA-2017's test images lie in folders that say nothing of their classes


def find_domain(known: DataSet, domain: str, data_root: Path) -> tuple[Listing, Listing | None]:
    """A domain's images and, where lists split them officially, its test images; DataError where they are not there.

    Lists that split come first, then a list inside the domain's folder, class folders, and a list beside it.
    """
    aliases = known.domains[domain]
    for place in places(known, data_root):
        found = _split(place, aliases, data_root) or _whole(place, aliases, data_root)
        if found:
            return _complete(known, domain, found[0]), found[1]
    expected = (
        f"class folders in {data_root / known.folders[0] / aliases[0]}, or a list {aliases[0]}.txt beside it, "
        "were expected"
    )
    raise absent(known, f"{known.name}:{domain}", data_root, expected)


def _split(place: Path, aliases: tuple[str, ...], data_root: Path) -> tuple[Listing, Listing | None] | None:
    train, test = (_list_of(place, aliases, (part,), data_root) for part in ("train", "test"))
    if train is None or test is None or train.classes is None:
        return None
    # DomainNet's lists of paintings have no t-shirt to train on, and no syringe to test with.
    classes = tuple(dict.fromkeys((*train.classes, *(test.classes or ()))))
    return ordered(train, classes), ordered(test, classes)


def _whole(place: Path, aliases: tuple[str, ...], data_root: Path) -> tuple[Listing, None] | None:
    for folder in children(place, aliases):
        if (folder / "image_list.txt").is_file():
            return read_list(folder / "image_list.txt", place, data_root), None
        for inside in (folder / "images", folder):
            if inside.is_dir() and any(entry.is_dir() for entry in visible(inside)):
                return _untold(scan(inside)), None
    found = _list_of(place, aliases, LIST_ENDINGS, data_root)
    return (found, None) if found else None


def _untold(found: Listing) -> Listing:
    """The listing without its classes where those are VisDA-2017's trunks."""
    if all(TRUNK.fullmatch(name) for name in found.classes or ()):
        return replace(found, labels=(), classes=None)
    return found


def _list_of(place: Path, aliases: tuple[str, ...], endings: tuple[str, ...], data_root: Path) -> Listing | None:
    names = [plain(alias) + ending for alias in aliases for ending in endings]
    for file in _text_files(place):
        if plain(file.stem) in names:
            return read_list(file, place, data_root)
    return None


def _text_files(place: Path) -> Iterator[Path]:
    for folder in (place, *children(place, LIST_FOLDERS)):
        yield from (path for path in visible(folder) if path.suffix == ".txt" and path.is_file())


def _complete(known: DataSet, domain: str, found: Listing) -> Listing:
    if found.classes is None:
        return found
    count = len(found.classes)
    if count != known.classes:
        raise DataError(
            f"{known.name}:{domain} has {known.classes} classes, but {found.place} holds {count}; "
            "it may not be unpacked completely."
        )
    return found
