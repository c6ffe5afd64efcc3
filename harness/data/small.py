"""The sets of small images with an official split: MNIST, USPS, SVHN and CIFAR-10, in the forms they are found in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.io import loadmat
from scipy.io.matlab import MatReadError
from torch import Tensor
from torchvision.datasets import CIFAR10, MNIST, SVHN, USPS

from harness.data.catalogue import CIFAR10_CLASSES, DATA_SETS
from harness.data.domains import DataError, Preprocessing
from harness.data.folders import scan
from harness.data.idx import read_idx
from harness.data.images import decode
from harness.data.places import absent, places
from harness.data.reading import reason
from harness.data.usps import Part, read_bz2, read_h5

Found = tuple[Tensor, Tensor]
DIGITS = tuple("0123456789")
CIFAR10_BATCHES = "cifar-10-batches-py"


@dataclass(frozen=True)
class SmallSet:
    """Images uint8 [N, C, h, w] with labels [N], of both official parts."""

    train: Found
    test: Found
    classes: tuple[str, ...]


def read_small(name: str, data_root: Path, *, download: bool = False) -> SmallSet:
    """Read a set wherever below `data_root` and in whatever form it lies, or fetch it where `download` says so.

    Raises DataError where it is neither there nor can be fetched, or is damaged.
    """
    if not download:
        return _found(name, data_root)
    if data_root.exists():
        with suppress(DataError):  # absent, or half of it is
            return _found(name, data_root)
    _download(name, data_root)
    return _found(name, data_root)


def _found(name: str, data_root: Path) -> SmallSet:
    known = DATA_SETS[name]
    find, expected = READERS[name]
    for place in places(known, data_root):
        read = find(place)
        if read is not None:
            classes = CIFAR10_CLASSES if name == "cifar10" else DIGITS
            return SmallSet(_checked(name, place, read("train")), _checked(name, place, read("test")), classes)
    raise absent(known, name, data_root, f"{expected} in {data_root / name} were expected")


Read = Callable[[Part], Found]


def _mnist(place: Path) -> Read | None:
    for folder in (place, place / "raw", place / "MNIST" / "raw"):
        if any(folder.glob("*-idx?-ubyte*")):
            return lambda part: _read_mnist(folder, part)
    return None


def _read_mnist(folder: Path, part: Part) -> Found:
    prefix = {"train": "train", "test": "t10k"}[part]
    images, labels = (
        read_idx(_unpacked_or_not(folder / f"{prefix}-{kind}-idx{dimensions}-ubyte"), dimensions)
        for kind, dimensions in (("images", 3), ("labels", 1))
    )
    return torch.from_numpy(images)[:, None], torch.from_numpy(labels).long()


def _unpacked_or_not(file: Path) -> Path:
    packed = file.with_name(f"{file.name}.gz")
    return packed if packed.is_file() and not file.is_file() else file


def _usps(place: Path) -> Read | None:
    file = place / "usps.h5"
    if file.is_file():
        return lambda part: _as_bytes(*read_h5(file, part))
    if any((place / name).is_file() for name in ("usps.bz2", "usps.t.bz2")):
        return lambda part: read_bz2(place, part)
    return None


def _as_bytes(images: Tensor, labels: Tensor) -> Found:
    return (images * 255).round().clamp(0, 255).to(torch.uint8), labels


def _svhn(place: Path) -> Read | None:
    if any((place / f"{part}_32x32.mat").is_file() for part in ("train", "test")):
        return lambda part: _read_svhn(place / f"{part}_32x32.mat")
    return None


def _read_svhn(file: Path) -> Found:
    """X [32, 32, 3, N] and y [N, 1], in which 10 is the digit 0."""
    try:
        content = loadmat(str(file))
        images, labels = np.asarray(content["X"], np.uint8), np.asarray(content["y"], np.int64).reshape(-1)
        return torch.from_numpy(images.transpose(3, 2, 0, 1).copy()), torch.from_numpy(labels % 10)
    except FileNotFoundError:
        raise DataError(f"The file {file} does not exist.") from None
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, MatReadError) as error:
        raise DataError(f"The file {file} cannot be read: {reason(error)}.") from None


def _cifar10(place: Path) -> Read | None:
    for folder in (place, place.parent):
        if (folder / CIFAR10_BATCHES).is_dir():
            return lambda part: _read_batches(folder, part)
    if all((place / part / CIFAR10_CLASSES[0]).is_dir() for part in ("train", "test")):
        return lambda part: _read_class_folders(place / part)
    return None


def _read_batches(folder: Path, part: Part) -> Found:
    """torchvision's form; it holds the checksums against the files before they are unpickled."""
    try:
        read = CIFAR10(str(folder), train=part == "train")
    except (RuntimeError, OSError, ValueError) as error:
        place = folder / CIFAR10_BATCHES
        raise DataError(f"The files in {place} are incomplete or damaged: {reason(error)}.") from None
    return torch.from_numpy(read.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(read.targets)


def _read_class_folders(folder: Path) -> Found:
    found = scan(folder)
    if found.classes != CIFAR10_CLASSES:
        raise DataError(
            f"The folder {folder} does not hold the ten classes of CIFAR-10; it may not be unpacked completely."
        )
    plain = Preprocessing(size=(32, 32), channels=3, mean=(0.0,) * 3, std=(1.0,) * 3)
    return torch.stack(decode(found.files, plain, lambda: None)), torch.tensor(found.labels)


READERS: dict[str, tuple[Callable[[Path], Read | None], str]] = {
    "mnist": (_mnist, "the idx files of MNIST, train-images-idx3-ubyte and the three others, as .gz or in raw/,"),
    "usps": (_usps, "usps.bz2 and usps.t.bz2, or usps.h5,"),
    "svhn": (_svhn, "train_32x32.mat and test_32x32.mat"),
    "cifar10": (_cifar10, f"{CIFAR10_BATCHES}/, or train/CLASS/ and test/CLASS/ with images,"),
}


def _checked(name: str, place: Path, found: Found) -> Found:
    images, labels = found
    if len(images) != len(labels) or not len(images):
        raise DataError(f"{name} in {place} has {len(images)} images but {len(labels)} labels.")
    if not 0 <= int(labels.min()) <= int(labels.max()) <= 9:
        raise DataError(f"{name} in {place} has labels from {int(labels.min())} to {int(labels.max())}, not 0 to 9.")
    return found


def _download(name: str, data_root: Path) -> None:
    folder = data_root / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for train in (True, False):
            if name == "svhn":
                SVHN(str(folder), split="train" if train else "test", download=True)
            else:
                {"mnist": MNIST, "usps": USPS, "cifar10": CIFAR10}[name](str(folder), train=train, download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{name} could not be downloaded to {folder}: {reason(error)}.") from None
