"""USPS as HDF5 (usps.h5: groups train and test, each data [N, 256] in 0..1 and target [N]) or as torchvision's bz2."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets import USPS

from harness.data.domains import DataError

SIZE = 16
Part = Literal["train", "test"]


def read_h5(file: Path, part: Part) -> tuple[Tensor, Tensor]:
    """Images [N, 1, 16, 16] in 0..1 and labels [N] of one part."""
    try:
        import h5py  # only this form of USPS needs it
    except ImportError:
        raise DataError(f"Reading {file} needs h5py, which is not installed: pip install h5py.") from None
    try:
        with h5py.File(file, "r") as opened:
            images = torch.from_numpy(opened[part]["data"][:].astype(np.float32)).view(-1, 1, SIZE, SIZE)
            labels = torch.from_numpy(opened[part]["target"][:].astype(np.int64))
    except (OSError, KeyError, RuntimeError) as error:
        raise DataError(f"The file {file} cannot be read: {error}.") from None
    return images, labels


def read_bz2(folder: Path, part: Part) -> tuple[Tensor, Tensor]:
    """Images uint8 [N, 1, 16, 16] and labels [N] of one part, from usps.bz2 or usps.t.bz2 in `folder`."""
    try:
        read = USPS(str(folder), train=part == "train")
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"USPS in {folder} cannot be read: {error}.") from None
    return torch.from_numpy(read.data)[:, None], torch.tensor(read.targets)
