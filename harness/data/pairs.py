"""A labelled source and an unlabelled target, by name or path, as domains: sizes, splits, what is kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from harness.data.domains import CALIBRATION_PIXELS, DataError, Domains, LabelledImages, Preprocessing, TargetLabels
from harness.data.finding import find_side, find_sides
from harness.data.images import ImageFiles, Pixels, Progress, check_files, decode
from harness.data.sides import Part, Side, agreed, check
from harness.data.splitting import split, split_classwise

PHOTOGRAPH_SIZE = 224
#: Decoded images that are kept in memory; beyond it they are decoded again whenever they are needed.
IN_MEMORY_BYTES = 2 * 2**30
TYPICAL_ASPECT = 1.35
SOURCE_SHARE, NAMED_SOURCE_SHARE, TARGET_SHARE = 0.8, 0.9, 0.7
STATISTICS_IMAGES = 10_000

# ImageNet's statistics, which imported backbones expect.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Size = tuple[int, int]


def load_pair(
    source: str,
    target: str,
    *,
    data_root: Path | None = None,
    size: Size | None = None,
    seed: int = 0,
    workers: int = 0,
    download: bool = False,
    progress: Progress | None = None,
) -> tuple[Domains, TargetLabels | None]:
    """Read what both name: a data set, one of its domains, an image folder or an image list (`harness.data.ends`).

    `size` is (height, width) of the network's input. Official splits are kept: training images in Domains, the target's
    test images in TargetLabels. Sets without one follow the field's transductive protocol: all target images are
    unlabelled in Domains, and the same ones have labels in TargetLabels. Of the user's own images 80% of the source
    train and 20% check; 30% of a target with classes are held out. Raises DataError for all that cannot be used.
    """
    sides = find_sides(source, target, data_root, seed=seed, download=download)
    return _assembled(*sides, size=size, seed=seed, workers=workers, progress=progress)


def load_source(
    source: str,
    *,
    data_root: Path | None = None,
    size: Size | None = None,
    seed: int = 0,
    workers: int = 0,
    download: bool = False,
    progress: Progress | None = None,
) -> Domains:
    """Read all labelled images of one end, to train on them alone; they are also the target.

    What is held out to check with, and the rest, is as in `load_pair`. Raises DataError.
    """
    side = find_side(source, data_root, download=download)
    return _assembled(side, side, size=size, seed=seed, workers=workers, progress=progress)[0]


def _assembled(
    source: Side, target: Side, *, size: Size | None, seed: int, workers: int, progress: Progress | None
) -> tuple[Domains, TargetLabels | None]:
    """Split, resize and normalise both sides; see `load_pair`."""
    check(source, target)
    classes, order = agreed(source, target)
    preprocessing = _preprocessing(source, target, size)
    limit = preprocessing.forward_limit
    streams = [np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2)]
    found = (part for side in (source, target) for part in (side.train, side.test) if part is not None)
    parts = {id(part): part for part in found}
    ready = dict(zip(parts, _images(list(parts.values()), preprocessing, progress), strict=True))

    train, check_part, checked = _source_split(source, limit, streams[0])
    shown, told, held_out = _target_split(target, streams[1])
    domains = Domains(
        name=f"{source.name} to {target.name}",
        classes=classes,
        preprocessing=preprocessing,
        source=_labelled(ready, source.train, train),
        source_check=_labelled(ready, check_part, checked),
        target=ready[id(target.train)].subset(shown),
        flip=source.flip and target.flip,
        workers=workers,
    )
    if told.labels is None or order is None:
        return domains, None
    return domains, TargetLabels(ready[id(told)].subset(held_out), order[told.labels[held_out]])


def _source_split(source: Side, limit: int, rng: np.random.Generator) -> tuple[Tensor, Part, Tensor]:
    """Indices to train on, in random order, and a part with the indices of at most `limit` images to check with."""
    labels = source.train.labels
    assert labels is not None
    if source.test is not None:
        checked, _ = split(len(source.test), min(1.0, limit / len(source.test)), rng)
        return split(len(labels), 1.0, rng)[0], source.test, checked
    share = max(SOURCE_SHARE if source.own else NAMED_SOURCE_SHARE, 1 - limit / len(labels))
    train, checked = split_classwise(labels, share, rng)
    return train[split(len(train), 1.0, rng)[0]], source.train, checked


def _target_split(target: Side, rng: np.random.Generator) -> tuple[Tensor, Part, Tensor]:
    """Indices to adapt to, in random order, and a part with the indices that the report has labels of."""
    if target.test is not None:
        return split(len(target.train), 1.0, rng)[0], target.test, torch.arange(len(target.test))
    if target.own and target.classes is not None:
        shown, held_out = split(len(target.train), TARGET_SHARE, rng)
        return shown, target.train, held_out
    shown, _ = split(len(target.train), 1.0, rng)
    return shown, target.train, shown


def _labelled(ready: dict[int, ImageFiles | Pixels], part: Part, index: Tensor) -> LabelledImages:
    assert part.labels is not None
    return LabelledImages(ready[id(part)].subset(index), part.labels[index])


def _images(
    parts: Sequence[Part], preprocessing: Preprocessing, progress: Progress | None
) -> list[ImageFiles | Pixels]:
    """All parts' images; files are decoded once and kept where all of them fit into memory, else looked at once."""
    total = sum(len(part) for part in parts if not isinstance(part.raw, Tensor))
    keep = total * _bytes_of_one(preprocessing) <= IN_MEMORY_BYTES
    done = 0

    def one_more() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    found: list[ImageFiles | Pixels] = []
    for part in parts:
        if isinstance(part.raw, Tensor):
            found.append(Pixels(part.raw, preprocessing))
        elif keep:
            found.append(ImageFiles(part.raw, preprocessing, decode(part.raw, preprocessing, one_more)))
        else:
            check_files(part.raw, preprocessing, one_more)
            found.append(ImageFiles(part.raw, preprocessing, None))
    return found


def _bytes_of_one(preprocessing: Preprocessing) -> float:
    side = preprocessing.shorter_side or max(preprocessing.size)
    return side * side * TYPICAL_ASPECT * preprocessing.channels


def _preprocessing(source: Side, target: Side, size: Size | None) -> Preprocessing:
    """Photographs as the field does, in ImageNet's statistics; small images at the larger one's size, in the source's.

    Small images are grey where both sides are.
    """
    first, second = source.train.raw, target.train.raw
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        native = max(first.shape[-1], second.shape[-1])
        depth: Literal[1, 3] = 1 if max(first.shape[1], second.shape[1]) == 1 else 3
        plain = _checked(size or (native, native), depth, {"mean": (0.0,) * depth, "std": (1.0,) * depth})
        height, width = plain.size
        few = min(STATISTICS_IMAGES, max(64, CALIBRATION_PIXELS // (height * width)))
        return plain.model_copy(update=_statistics(Pixels(first, plain)[:few]))
    height, width = size or (PHOTOGRAPH_SIZE, PHOTOGRAPH_SIZE)
    crop = {"resize": "shorter-side-then-crop", "shorter_side": max(1, round(max(height, width) * 256 / 224))}
    return _checked((height, width), 3, {"mean": MEAN, "std": STD, **crop})


def _checked(size: Size, channels: int, rest: dict[str, object]) -> Preprocessing:
    if min(size) < 1:
        raise DataError(f"Images of {size[0]} x {size[1]} pixels are not possible.")
    return Preprocessing.model_validate({"size": size, "channels": channels, **rest})


def _statistics(images: Tensor) -> dict[str, tuple[float, ...]]:
    channels = images.transpose(0, 1).flatten(1)
    return {
        "mean": tuple(round(value, 4) for value in channels.mean(1).tolist()),
        "std": tuple(round(value, 4) for value in channels.std(1).tolist()),
    }
