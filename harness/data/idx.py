"""Files of the idx format, in which MNIST comes, packed with gzip or not."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.data.domains import DataError

UNSIGNED_BYTE = 0x08
MOST_BYTES = 2**28  # unpacked: MNIST's largest file has 47 million


def read_idx(file: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """An idx file of unsigned bytes: big-endian magic 0 0 type dimensions, the sizes, then the values."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
            return _values(opened.read, file, dimensions)
    except FileNotFoundError:
        raise DataError(f"The file {file} does not exist.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"The file {file} cannot be read: {error}.") from None


def _values(read: Callable[[int], bytes], file: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    header = read(4 * (1 + dimensions))
    if header[:4] != bytes([0, 0, UNSIGNED_BYTE, dimensions]) or len(header) < 4 * (1 + dimensions):
        raise DataError(f"The file {file} is not an idx file of {dimensions}-dimensional bytes.")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    announced = math.prod(shape)
    if announced > MOST_BYTES:
        raise DataError(f"The file {file} announces {announced} values, more than {MOST_BYTES}.")
    values = read(announced + 1)
    if len(values) != announced:
        found = "more" if len(values) > announced else str(len(values))
        raise DataError(f"The file {file} is truncated or damaged: {found} values instead of {announced}.")
    return np.frombuffer(values, np.uint8).reshape(shape).copy()
