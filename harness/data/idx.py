"""Files of the idx format, in which MNIST comes, packed with gzip or not."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.data.domains import DataError

UNSIGNED_BYTE = 0x08


def read_idx(file: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """An idx file of unsigned bytes: big-endian magic 0 0 type dimensions, the sizes, then the values."""
    try:
        content = file.read_bytes()
        if file.suffix == ".gz":
            content = gzip.decompress(content)
    except FileNotFoundError:
        raise DataError(f"The file {file} does not exist.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"The file {file} cannot be read: {error}.") from None
    header = 4 * (1 + dimensions)
    if content[:4] != bytes([0, 0, UNSIGNED_BYTE, dimensions]) or len(content) < header:
        raise DataError(f"The file {file} is not an idx file of {dimensions}-dimensional bytes.")
    shape = np.frombuffer(content[4:header], ">u4").astype(int)
    if len(content) - header != shape.prod():
        raise DataError(f"The file {file} is truncated: {len(content) - header} values instead of {shape.prod()}.")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()
