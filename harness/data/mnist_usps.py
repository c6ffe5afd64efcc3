"""The development task: MNIST and USPS in both directions, the one task whose target labels may guide design choices.

The data are not part of the project: a folder with `mnist/*-ubyte.gz` (idx files) and `usps/usps.h5` (groups train and
test with data [N, 256] in 0..1 and target [N]).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.data.domains import DataError, Domains, LabelledImages, Preprocessing, TargetLabels
from harness.data.idx import read_idx
from harness.data.usps import Part, read_h5

Direction = Literal["mnist-usps", "usps-mnist"]
SIZE = 16
SOURCE, CHECK, TARGET, HELD_OUT = 7000, 1000, 1800, 2000


def load_mnist_usps(data_root: Path, direction: Direction, seed: int) -> tuple[Domains, TargetLabels]:
    """Both sets as 1 x 16 x 16 images, subsampled at random without looking at labels; the same seed, the same bytes.

    Source and target training images come from the training files, the check and the held-out labelled images from the
    test files. (USPS has 7,291 + 2,007 images in all.) Raises DataError where the files are absent or not as expected.
    """
    names = direction.split("-")
    if sorted(names) != ["mnist", "usps"]:
        raise DataError(f"The development task runs mnist-usps or usps-mnist, not {direction}.")
    read = {"mnist": _mnist, "usps": _usps}
    source, target = (read[name] for name in names)
    streams = [np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(4)]
    train = _sample(*source(data_root, "train"), SOURCE, streams[0])
    check = _sample(*source(data_root, "test"), CHECK, streams[1])
    unlabelled, _ = _sample(*target(data_root, "train"), TARGET, streams[2])
    held_out = _sample(*target(data_root, "test"), HELD_OUT, streams[3])
    preprocessing = Preprocessing(
        size=(SIZE, SIZE),
        channels=1,
        mean=(round(train[0].mean().item(), 4),),
        std=(round(train[0].std().item(), 4),),
        value_scale=1.0,
    )
    domains = Domains(
        name=direction,
        classes=tuple("0123456789"),
        preprocessing=preprocessing,
        source=LabelledImages(preprocessing.normalise(train[0]), train[1]),
        source_check=LabelledImages(preprocessing.normalise(check[0]), check[1]),
        target=preprocessing.normalise(unlabelled),
    )
    return domains, TargetLabels(preprocessing.normalise(held_out[0]), held_out[1])


def _sample(images: Tensor, labels: Tensor, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    chosen = torch.from_numpy(rng.permutation(len(images))[:count])
    return images[chosen], labels[chosen]


def _mnist(data_root: Path, part: Part) -> tuple[Tensor, Tensor]:
    """MNIST images [N, 1, 16, 16] in 0..1, downsampled with antialiasing, and labels [N]."""
    prefix = {"train": "train", "test": "t10k"}[part]
    images = torch.from_numpy(read_idx(data_root / "mnist" / f"{prefix}-images-idx3-ubyte.gz", 3))
    labels = torch.from_numpy(read_idx(data_root / "mnist" / f"{prefix}-labels-idx1-ubyte.gz", 1))
    grey = images[:, None].float() / 255
    small = F.interpolate(grey, size=(SIZE, SIZE), mode="bilinear", align_corners=False, antialias=True)
    return small, labels.long()


def _usps(data_root: Path, part: Part) -> tuple[Tensor, Tensor]:
    """USPS images [N, 1, 16, 16] in 0..1 and labels [N]."""
    file = data_root / "usps" / "usps.h5"
    if not file.is_file():
        raise DataError(f"The file {file} does not exist.")
    return read_h5(file, part)
