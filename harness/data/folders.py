"""Domains from plain image folders: one folder per class; the target may also be one flat folder without classes."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms import v2

from harness.data.domains import DataError, Domains, LabelledImages, Preprocessing, TargetLabels
from harness.data.splitting import split, split_classwise

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff"})
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "PPM", "TIFF")
MAX_PIXELS = 64_000_000
MAX_ASPECT = 20
MIN_PER_CLASS = 2  # one to train on, one for the held-out check
MIN_TARGET = 10
SOURCE_SHARE, TARGET_SHARE = 0.8, 0.7
READERS = 4
# What Pillow's decoders raise for files that are damaged, foreign or too large.
UNREADABLE = (OSError, EOFError, SyntaxError, ValueError, struct.error, zlib.error, Image.DecompressionBombError)

# ImageNet's statistics, which imported backbones expect; for grey images the mean over the channels.
MEAN_STD: dict[int, tuple[tuple[float, ...], tuple[float, ...]]] = {
    1: ((0.449,), (0.226,)),
    3: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ImageFolder:
    """The image files below one folder. `classes` is None where the images lie in it directly."""

    files: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...] | None


def load_folders(
    source: Path,
    target: Path,
    *,
    size: tuple[int, int] = (224, 224),
    channels: Literal[1, 3] = 3,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Domains, TargetLabels | None]:
    """Read both folders whole; `size` is (height, width) of the network's input.

    80% of the source trains, 20% (of each class) checks. A target with class folders is split 70/30 at random, without
    its labels: unlabelled training part in Domains, held-out part in TargetLabels. A flat target is all unlabelled, and
    there are no TargetLabels. Raises DataError, naming the file or folder, for anything that cannot be used.
    """
    labelled, other = scan(source), scan(target)
    _check(source, labelled, target, other)
    assert labelled.classes is not None
    preprocessing = _preprocessing(size, channels)
    streams = [np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2)]

    images = read_images([*labelled.files, *other.files], preprocessing, progress)
    images, others = images[: len(labelled.files)], images[len(labelled.files) :]
    labels = torch.tensor(labelled.labels)
    train, check = split_classwise(labels, SOURCE_SHARE, streams[0])
    unlabelled, held_out = split(len(others), 1.0 if other.classes is None else TARGET_SHARE, streams[1])
    domains = Domains(
        name=_name(source, target),
        classes=labelled.classes,
        preprocessing=preprocessing,
        source=LabelledImages(images[train], labels[train]),
        source_check=LabelledImages(images[check], labels[check]),
        target=others[unlabelled],
        flip=True,
    )
    if other.classes is None:
        return domains, None
    return domains, TargetLabels(others[held_out], torch.tensor(other.labels)[held_out])


def scan(folder: Path) -> ImageFolder:
    """The images in the class folders of `folder`, or directly in it; hidden and other files are passed over."""
    if not folder.is_dir():
        raise DataError(f"The image folder {folder} does not exist or is not a folder.")
    entries = _entries(folder)
    loose = tuple(entry for entry in entries if _is_image(entry))
    class_folders = [entry for entry in entries if entry.is_dir()]
    if loose and class_folders:
        raise DataError(f"The folder {folder} holds both images and class folders; keep one or the other.")
    if loose:
        return ImageFolder(loose, (), None)
    if not class_folders:
        raise DataError(f"The folder {folder} holds no images ({', '.join(sorted(EXTENSIONS))}).")
    files: list[Path] = []
    labels: list[int] = []
    for label, class_folder in enumerate(class_folders):
        found = [entry for entry in _entries(class_folder) if _is_image(entry)]
        if not found:
            raise DataError(_without_images(class_folder))
        files += found
        labels += [label] * len(found)
    return ImageFolder(tuple(files), tuple(labels), tuple(entry.name for entry in class_folders))


def read_images(files: Sequence[Path], preprocessing: Preprocessing, progress: Progress | None = None) -> Tensor:
    """All files as network inputs [N, C, H, W] float32."""
    height, width = preprocessing.size
    raw = torch.empty(len(files), preprocessing.channels, height, width, dtype=torch.uint8)
    with warnings.catch_warnings(), ThreadPoolExecutor(READERS) as readers:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
        for index, image in enumerate(readers.map(lambda file: read_image(file, preprocessing), files)):
            raw[index] = image
            if progress is not None:
                progress(index + 1, len(files))
    return preprocessing.normalise(raw)


def read_image(file: Path, preprocessing: Preprocessing) -> Tensor:
    """One image upright, resized and cropped, as uint8 [C, H, W]; raises DataError where it cannot be read."""
    try:
        with Image.open(file, formats=FORMATS) as opened:
            _check_dimensions(opened)
            image = ImageOps.exif_transpose(opened).convert("L" if preprocessing.channels == 1 else "RGB")
    except UNREADABLE as error:
        raise DataError(f"The image {file} cannot be read: {_reason(error)}.") from None
    size = list(preprocessing.size) if preprocessing.resize == "stretch" else [preprocessing.shorter_side]
    resized = v2.functional.resize(v2.functional.pil_to_tensor(image), size, antialias=preprocessing.antialias)
    cropped: Tensor = v2.functional.center_crop(resized, list(preprocessing.size))
    return cropped


def _preprocessing(size: tuple[int, int], channels: Literal[1, 3]) -> Preprocessing:
    if min(size) < 1 or channels not in MEAN_STD:
        raise DataError(f"Images of {size[0]} x {size[1]} pixels and {channels} channels are not possible.")
    mean, std = MEAN_STD[channels]
    return Preprocessing(
        size=size,
        channels=channels,
        mean=mean,
        std=std,
        resize="shorter-side-then-crop",
        shorter_side=round(max(size) * 256 / 224),
    )


def _name(source: Path, target: Path) -> str:
    """Both folders as seen from the one that holds them: "dslr/images to webcam/images"."""
    paths = [source.resolve(), target.resolve()]
    shared = os.path.commonpath([path.parent for path in paths])
    return " to ".join(path.relative_to(shared).as_posix() for path in paths)


def _without_images(class_folder: Path) -> str:
    if any(entry.is_dir() for entry in _entries(class_folder)):
        return f"The class folder {class_folder} holds folders instead of images; if those are the classes, name it."
    return f"The class folder {class_folder} holds no images."


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"The folder {folder} cannot be listed: {_reason(error)}.") from None


def _is_image(entry: Path) -> bool:
    return entry.suffix.lower() in EXTENSIONS and entry.is_file()


def _check(source: Path, labelled: ImageFolder, target: Path, other: ImageFolder) -> None:
    if labelled.classes is None:
        raise DataError(f"The source folder {source} holds images but no class folders, which give the labels.")
    if len(labelled.classes) < 2:
        only = labelled.classes[0]
        raise DataError(f"The source folder {source} holds only one class folder, {only!r}; at least two are needed.")
    for label, name in enumerate(labelled.classes):
        count = labelled.labels.count(label)
        if count < MIN_PER_CLASS:
            raise DataError(
                f"The class folder {source / name} holds too few images: {count}, at least {MIN_PER_CLASS} are needed."
            )
    if other.classes is not None and other.classes != labelled.classes:
        raise DataError(
            f"The class folders of {source} and {target} differ: "
            f"only in the source {_names(set(labelled.classes) - set(other.classes))}, "
            f"only in the target {_names(set(other.classes) - set(labelled.classes))}."
        )
    if len(other.files) < MIN_TARGET:
        raise DataError(
            f"The target folder {target} holds too few images: {len(other.files)}, at least {MIN_TARGET} are needed."
        )


def _names(names: set[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "") or "none"


def _check_dimensions(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels are more than the {MAX_PIXELS // 1_000_000} million allowed")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(f"one side of {width} x {height} pixels is more than {MAX_ASPECT} times the other")
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"its pixels are of mode {image.mode}, more than 8 bits each")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is not an image of a known format"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.rstrip(".") or type(error).__name__
