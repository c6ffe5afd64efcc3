"""Image files and their classes, as class folders or as list files give them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Listing:
    """Image files, the index of each one's class, and the classes' names.

    `place` is the folder or list they come from. `classes` is None, and `labels` empty, where classes are not told;
    `numbered` where they are told by numbers alone.
    """

    place: Path
    files: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...] | None
    numbered: bool = False

    def __len__(self) -> int:
        return len(self.files)


def ordered(listing: Listing, classes: tuple[str, ...]) -> Listing:
    """The same images with their labels as indices into `classes`, which hold all of the listing's own."""
    if listing.classes is None:
        return listing
    index = {name: label for label, name in enumerate(classes)}
    labels = tuple(index[listing.classes[label]] for label in listing.labels)
    return replace(listing, labels=labels, classes=classes)
