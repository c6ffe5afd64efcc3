"""Plain image folders: one folder per class, or one flat folder without classes."""

from __future__ import annotations

from pathlib import Path

from harness.data.domains import DataError
from harness.data.listing import Listing
from harness.data.reading import EXTENSIONS, reason

KNOWN_BY = ", ".join(sorted(EXTENSIONS))


def scan(folder: Path) -> Listing:
    """The images in the class folders of `folder`, or directly in it; hidden and other files are passed over."""
    if not folder.is_dir():
        raise DataError(f"The image folder {folder} does not exist or is not a folder.")
    entries = visible(folder)
    loose = tuple(entry for entry in entries if _is_image(entry))
    class_folders = [entry for entry in entries if entry.is_dir()]
    if loose and class_folders:
        raise DataError(f"The folder {folder} holds both images and class folders; keep one or the other.")
    if loose:
        return Listing(folder, loose, (), None)
    if not class_folders:
        raise DataError(f"The folder {folder} holds no images ({KNOWN_BY}).")
    files: list[Path] = []
    labels: list[int] = []
    for label, class_folder in enumerate(class_folders):
        found = [entry for entry in visible(class_folder) if _is_image(entry)]
        if not found:
            raise DataError(_without_images(class_folder))
        files += found
        labels += [label] * len(found)
    return Listing(folder, tuple(files), tuple(labels), tuple(entry.name for entry in class_folders))


def visible(folder: Path) -> list[Path]:
    """What lies in a folder and is not hidden, sorted; DataError where it cannot be listed."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"The folder {folder} cannot be listed: {reason(error)}.") from None


def _without_images(class_folder: Path) -> str:
    if any(entry.is_dir() for entry in visible(class_folder)):
        return f"The class folder {class_folder} holds folders instead of images; if those are the classes, name it."
    return f"The class folder {class_folder} holds no images ({KNOWN_BY})."


def _is_image(entry: Path) -> bool:
    return entry.suffix.lower() in EXTENSIONS and entry.is_file()
