"""Tiny data sets in the forms that the real ones have."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat
from torch import Tensor

from harness.data import Preprocessing
from harness.data.reading import centre, read_resized


def picture(file: Path, seed: int, size: tuple[int, int] = (24, 20), mode: str = "RGB") -> Path:
    """Write random pixels of (width, height)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(file)
    return file


def read_image(file: Path, preprocessing: Preprocessing) -> Tensor:
    """Return an image as a network is given it, but for normalisation: uint8 [C, H, W]."""
    return centre(read_resized(file, preprocessing), preprocessing)


def classes(root: Path, names: Iterable[str] = "ab", count: int = 10, start: int = 0) -> Path:
    """Write a class folder for every name."""
    for position, name in enumerate(names):
        for index in range(count):
            picture(root / name / f"{index}.png", start + position * 100 + index)
    return root


def numbered(count: int) -> list[str]:
    """Class names of which sorting keeps the order."""
    return [f"class{index:03}" for index in range(count)]


def idx(file: Path, values: np.ndarray) -> None:
    """Write an idx file of bytes, packed where its name ends in .gz."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    content += values.astype(np.uint8).tobytes()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)


def mnist(folder: Path, ending: str = ".gz", counts: tuple[int, int] = (40, 20)) -> Path:
    """Write the four idx files."""
    rng = np.random.default_rng(0)
    for prefix, count in zip(("train", "t10k"), counts, strict=True):
        idx(folder / f"{prefix}-images-idx3-ubyte{ending}", rng.integers(0, 256, (count, 28, 28)))
        idx(folder / f"{prefix}-labels-idx1-ubyte{ending}", np.arange(count) % 10)
    return folder


def usps_bz2(folder: Path, counts: tuple[int, int] = (30, 15)) -> Path:
    """Write the two files of libsvm lines that torchvision reads; the label comes first, from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    for name, count in zip(("usps.bz2", "usps.t.bz2"), counts, strict=True):
        lines = [
            f"{index % 10 + 1} " + " ".join(f"{place + 1}:{value:.3f}" for place, value in enumerate(pixels))
            for index, pixels in enumerate(rng.uniform(-1, 1, (count, 256)))
        ]
        (folder / name).write_bytes(bz2.compress("\n".join(lines).encode()))
    return folder


def svhn(folder: Path, counts: tuple[int, int] = (25, 12)) -> Path:
    """Write the two .mat files, in which the digit 0 has the label 10."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(2)
    for part, count in zip(("train", "test"), counts, strict=True):
        labels = np.arange(count) % 10
        labels[labels == 0] = 10
        images = rng.integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
        savemat(folder / f"{part}_32x32.mat", {"X": images, "y": labels[:, None].astype(np.uint8)})
    return folder
