"""One image file into pixels: what is accepted, and one sentence naming the file for all that is not."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms import v2

from harness.data.domains import DataError, Preprocessing

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff"})
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "PPM", "TIFF")
#: What files of these formats end with, where none of them is missing.
ENDINGS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
MAX_PIXELS = 64_000_000
MAX_ASPECT = 20
# What Pillow's decoders raise for files that are damaged, foreign or too large.
UNREADABLE = (OSError, EOFError, SyntaxError, ValueError, struct.error, zlib.error, Image.DecompressionBombError)
# Our own limit is lower and ends in an error. Not around each reading: filters are not the threads' own.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def read_resized(file: Path, preprocessing: Preprocessing) -> Tensor:
    """One image upright and resized, not yet cropped, as uint8 [C, h, w]; DataError where it cannot be read."""
    try:
        with Image.open(file, formats=FORMATS) as opened:
            _check_dimensions(opened)
            image = ImageOps.exif_transpose(opened).convert("L" if preprocessing.channels == 1 else "RGB")
    except UNREADABLE as error:
        raise DataError(f"The image {file} cannot be read: {reason(error)}.") from None
    return resize(v2.functional.pil_to_tensor(image), preprocessing)


def check_file(file: Path, preprocessing: Preprocessing) -> None:
    """Raise DataError where an image cannot be read, as far as its two ends tell; it is decoded where they do not."""
    try:
        with Image.open(file, formats=FORMATS) as opened, file.open("rb") as content:
            _check_dimensions(opened)
            ending = ENDINGS.get(opened.format or "", b"")
            content.seek(-len(ending), os.SEEK_END)
            whole = ending != b"" and content.read() == ending
    except UNREADABLE as error:
        raise DataError(f"The image {file} cannot be read: {reason(error)}.") from None
    if not whole:
        read_resized(file, preprocessing)


def resize(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Images [..., C, h, w] resized as the preprocessing says, not yet cropped."""
    size = list(preprocessing.size) if preprocessing.resize == "stretch" else [preprocessing.shorter_side]
    resized: Tensor = v2.functional.resize(images, size, antialias=preprocessing.antialias)
    return resized


def centre(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """The middle of resized images [..., C, h, w], of the network's input size."""
    cropped: Tensor = v2.functional.center_crop(images, list(preprocessing.size))
    return cropped


def reason(error: Exception) -> str:
    """What an error says, as the end of a sentence."""
    if isinstance(error, UnidentifiedImageError):
        return "it is not an image of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return f"it claims more than the {MAX_PIXELS // 1_000_000} million pixels allowed"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.rstrip(".") or type(error).__name__


def _check_dimensions(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels are more than the {MAX_PIXELS // 1_000_000} million allowed")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(f"one side of {width} x {height} pixels is more than {MAX_ASPECT} times the other")
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"its pixels are of mode {image.mode}, more than 8 bits each")
