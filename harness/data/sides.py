"""The two sides of an adaptation before they are split: images, labels where there are any, and how they were found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from harness.data.domains import DataError

MIN_PER_CLASS = 2  # one to train on, one for the held-out check
MIN_TARGET = 10
UNLABELLED = "; images without labels belong into one folder that holds no others"

Raw = Tensor | Sequence[Path]


@dataclass(frozen=True)
class Part:
    """Images, as files or as uint8 [N, C, h, w], with their labels [N] where there are any."""

    raw: Raw
    labels: Tensor | None

    def __len__(self) -> int:
        return len(self.raw)


@dataclass(frozen=True)
class Side:
    """All of one domain.

    `name`: for reports; `place`: for error messages. `test`: the official test images, where there is such a split.
    `classes`: None where images lie in a flat folder; `numbered` where they are told by numbers alone. `own`: the
    user's own images, of which a part is held out. `flip`: whether a mirrored image still shows its class.
    """

    name: str
    place: str
    train: Part
    test: Part | None
    classes: tuple[str, ...] | None
    numbered: bool = False
    own: bool = False
    flip: bool = True


def check(source: Side, target: Side) -> None:
    """Raise DataError where the images cannot serve as a labelled source and a target."""
    if source.classes is None or source.train.labels is None:
        raise DataError(f"The source {source.place} holds images but no class folders, which give the labels.")
    if len(source.classes) < 2:
        raise DataError(f"The source {source.place} holds only one class, {source.classes[0]!r}; two are needed.")
    counts = torch.bincount(source.train.labels, minlength=len(source.classes)).tolist()
    for name, count in zip(source.classes, counts, strict=True):
        if 0 < count < MIN_PER_CLASS:  # none: an official split may have a class in its test images alone
            raise DataError(
                f"The class {name!r} of {source.place} holds too few images: {count}, "
                f"at least {MIN_PER_CLASS} are needed."
            )
    if len(target.train) < MIN_TARGET:
        raise DataError(
            f"The target {target.place} holds too few images: {len(target.train)}, at least {MIN_TARGET} are needed."
        )


def agreed(source: Side, target: Side) -> tuple[tuple[str, ...], Tensor | None]:
    """The classes of both, and for each of the target's the index of the source's; None where it has no classes.

    Where one side has nothing but numbers, they count as the other's classes in order. DataError where they differ.
    """
    assert source.classes is not None
    if target.classes is None:
        return source.classes, None
    if source.numbered != target.numbered and len(source.classes) == len(target.classes):
        return (target if source.numbered else source).classes or (), torch.arange(len(source.classes))
    if set(source.classes) != set(target.classes):
        raise DataError(
            f"The classes of {source.place} and {target.place} differ: "
            f"only in the source {_names(set(source.classes) - set(target.classes))}, "
            f"only in the target {_names(set(target.classes) - set(source.classes))}"
            f"{'' if set(source.classes) & set(target.classes) or not target.own else UNLABELLED}."
        )
    return source.classes, torch.tensor([source.classes.index(name) for name in target.classes])


def _names(names: set[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "") or "none"
