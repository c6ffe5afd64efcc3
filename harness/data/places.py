"""Where a data set lies below --data-root, and what to say where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.data.catalogue import DataSet
from harness.data.domains import DataError
from harness.data.folders import visible

ARCHIVES = (".tar", ".tgz", ".gz", ".bz2", ".xz", ".zip", ".7z", ".rar")
DEEPEST = 2  # archives often hold a folder of the set's name, and are unpacked in one


def places(known: DataSet, data_root: Path) -> list[Path]:
    """The folders that may hold the set, the likeliest first: of its name, that inside one another, --data-root."""
    if not data_root.is_dir():
        raise DataError(f"The folder {data_root}, given as --data-root, does not exist.")
    levels = [[data_root]]
    for _ in range(DEEPEST):
        levels.append([child for place in levels[-1] for child in children(place, known.folders)])
    return [place for level in reversed(levels) for place in level]


def children(place: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """The folders in `place` of any of these names, apart from case, spaces and punctuation."""
    wanted = [plain(name) for name in names]
    found = [child for child in visible(place) if child.is_dir() and plain(child.name) in wanted]
    yield from sorted(found, key=lambda child: wanted.index(plain(child.name)))


def plain(name: str) -> str:
    """A name without case, spaces and punctuation."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def absent(known: DataSet, spec: str, data_root: Path, expected: str) -> DataError:
    """The error that says in one sentence what was expected where, what is still packed there, and where to get it."""
    packed = [str(path) for path in _packed(known, data_root)]
    advice = f"{' and '.join(packed)} must be unpacked first" if packed else known.obtain
    return DataError(f"{spec} was not found: {expected}; {advice}.")


def _packed(known: DataSet, data_root: Path) -> list[Path]:
    """Archives of the set that lie where it was looked for."""
    domains = [name for names in known.domains.values() for name in names if len(name) > 1]
    stems = tuple(plain(name) for name in (*known.folders, *known.archives))
    exact = tuple(plain(name) for name in domains)
    found = []
    for place in places(known, data_root):
        for path in visible(place):
            if path.suffix.lower() in ARCHIVES and path.is_file():
                stem = plain(path.name.split(".")[0])
                if stem.startswith(stems) or (place != data_root and stem in exact):
                    found.append(path)
    return found
