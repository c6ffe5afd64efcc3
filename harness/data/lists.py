"""Image-list files: a line is a path and, after the last space or tab, its label; for a target, paths alone will do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.data.domains import DataError
from harness.data.listing import Listing
from harness.data.reading import EXTENSIONS, reason

Line = tuple[int, str, str | None]  # its number, the path, the label
MOST_DIGITS = 18  # of a label that counts as a number


def read_list(file: Path, *roots: Path) -> Listing:
    """The images of a list file, paths taken from the list's own folder, the one above it, or one of `roots`.

    Classes are named after the folders of their images, where each class has one of its own, else by their labels.
    Raises DataError, naming file and line.
    """
    lines = _lines(file)
    labelled = [line for line in lines if line[2] is not None]
    if labelled and len(labelled) != len(lines):
        bare = next(number for number, _, label in lines if label is None)
        raise DataError(f"Line {bare} of the list {file} gives no label, but others do: 'path label' is expected.")
    files = _existing(lines, file, (file.parent, file.parent.parent, *roots))
    if not labelled:
        return Listing(file, files, (), None)
    told = [str(label) for _, _, label in lines]
    order = {label: index for index, label in enumerate(_sorted(set(told)))}
    labels = tuple(order[label] for label in told)
    names = _folder_names(files, labels, len(order))
    classes = names or tuple(order)
    return Listing(file, files, labels, classes, numbered=names is None and _are_numbers(order))


def _lines(file: Path) -> list[Line]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The list {file} cannot be read: {_why(error)}.") from None
    lines = [_parsed(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise DataError(f"The list {file} is empty; lines of 'path label' are expected.")
    return lines


def _why(error: OSError | UnicodeDecodeError) -> str:
    return reason(error) if isinstance(error, OSError) else "it is not a text file"


def _parsed(number: int, line: str) -> Line:
    path, *label = line.rsplit(maxsplit=1)
    if not label or Path(line).suffix.lower() in EXTENSIONS:
        return number, line, None
    return number, path, label[0]


def _existing(lines: Sequence[Line], file: Path, places: Sequence[Path]) -> tuple[Path, ...]:
    """Every image's path; all lie below the same place, which the first line tells."""
    base = next((place for place in places if _is_file(place / lines[0][1])), None)
    if base is None:
        looked = ", ".join(dict.fromkeys(map(str, places)))
        raise DataError(
            f"Line {lines[0][0]} of the list {file} names {lines[0][1]:.100}, which is in none of {looked}."
        )
    files = []
    for number, path, _ in lines:
        found = base / path
        if not _is_file(found):
            raise DataError(f"Line {number} of the list {file} names {path:.100}, which does not exist in {base}.")
        if found.suffix.lower() not in EXTENSIONS:
            raise DataError(f"Line {number} of the list {file} names {path:.100}, which is no image by its ending.")
        files.append(found)
    return tuple(files)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # longer than any file system takes, or below a folder that may not be looked into
        return False


def _sorted(labels: set[str]) -> list[str]:
    return sorted(labels, key=int) if _are_numbers(labels) else sorted(labels)


def _are_numbers(labels: Iterable[str]) -> bool:
    return all(label.isdecimal() and len(label) <= MOST_DIGITS for label in labels)


def _folder_names(files: Sequence[Path], labels: Sequence[int], count: int) -> tuple[str, ...] | None:
    """The folder of each class's images; None where classes share folders or have several."""
    names: dict[int, str] = {}
    for image, label in zip(files, labels, strict=True):
        if names.setdefault(label, image.parent.name) != image.parent.name:
            return None
    return tuple(names[label] for label in range(count)) if len(set(names.values())) == count else None
