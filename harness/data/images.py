"""Images that are not network inputs yet: pixels in memory, or files that are decoded when they are asked for.

Both look like a tensor of network inputs to whom adapts, scores or reports: a length, a shape, and rows by index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor
from torchvision.transforms import v2

from harness.data.augmentation import augment
from harness.data.domains import Preprocessing
from harness.data.reading import centre, check_file, read_resized, resize

READERS = 4
Progress = Callable[[int, int], None]


class Pixels:
    """Images of one size as uint8 [N, C, h, w], small enough for memory; resized and normalised when asked for."""

    def __init__(self, raw: Tensor, preprocessing: Preprocessing) -> None:
        self._raw, self._preprocessing = raw, preprocessing

    def __len__(self) -> int:
        return len(self._raw)

    @property
    def shape(self) -> torch.Size:
        """The shape of all of them as network inputs."""
        return torch.Size((len(self), self._preprocessing.channels, *self._preprocessing.size))

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        return self._ready(self._raw[index])

    def subset(self, index: Tensor) -> Pixels:
        """The images at `index`, in its order."""
        return Pixels(self._raw[index], self._preprocessing)

    def drawn(self, index: Tensor, mine: slice, generator: torch.Generator, flip: bool) -> Tensor:
        """The raw images at `index`; they go to the device in a quarter of the bytes of network inputs."""
        return self._raw[index]

    def finished(self, raw: Tensor, generator: torch.Generator, flip: bool) -> Tensor:
        """Drawn images as augmented network inputs, computed where they are."""
        return augment(self._ready(raw), generator, flip=flip)

    def content(self) -> Iterator[bytes]:
        """What makes these images these, for a digest."""
        yield f"{tuple(self._raw.shape)}".encode()
        yield self._raw.contiguous().numpy().tobytes()

    def _ready(self, raw: Tensor) -> Tensor:
        if raw.shape[1] != self._preprocessing.channels:
            raw = v2.functional.rgb_to_grayscale(raw) if raw.shape[1] == 3 else raw.expand(-1, 3, -1, -1)
        return self._preprocessing.normalise(centre(resize(raw, self._preprocessing), self._preprocessing))


class ImageFiles:
    """Image files. `resized` holds them decoded, where they fit into memory; otherwise each is decoded when needed.

    Where a target's files lie may tell their classes, so no path can be had from here.
    """

    def __init__(self, files: Sequence[Path], preprocessing: Preprocessing, resized: Sequence[Tensor] | None) -> None:
        self._files, self._preprocessing, self._resized = files, preprocessing, resized

    def __len__(self) -> int:
        return len(self._files)

    @property
    def shape(self) -> torch.Size:
        """The shape of all of them as network inputs."""
        return torch.Size((len(self), self._preprocessing.channels, *self._preprocessing.size))

    @property
    def in_memory(self) -> bool:
        """Whether nothing is left to decode."""
        return self._resized is not None

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """Centre crops as network inputs; raises DataError where a file cannot be read."""
        wanted = torch.arange(len(self))[index].tolist()
        raw = torch.empty(len(wanted), *self.shape[1:], dtype=torch.uint8)
        with ThreadPoolExecutor(READERS) as readers:
            for row, image in enumerate(readers.map(self._read, wanted)):
                raw[row] = centre(image, self._preprocessing)
        return self._preprocessing.normalise(raw)

    def subset(self, index: Tensor) -> ImageFiles:
        """The images at `index`, in its order."""
        wanted = index.tolist()
        resized = None if self._resized is None else [self._resized[one] for one in wanted]
        return ImageFiles([self._files[one] for one in wanted], self._preprocessing, resized)

    def drawn(self, index: Tensor, mine: slice, generator: torch.Generator, flip: bool) -> Tensor:
        """Random crops of the resized images at `index`, half of them mirrored where `flip`: uint8 [n, C, H, W].

        What is not `mine` stays black: each of several processes decodes its own part of a batch.
        """
        height, width = self._preprocessing.size
        raw = torch.zeros(len(index), *self.shape[1:], dtype=torch.uint8)
        shares = torch.rand(len(index), 3, generator=generator)
        rows = range(len(index))[mine]
        for row, one, (down, right, side) in zip(rows, index[mine].tolist(), shares[mine].tolist(), strict=True):
            image = self._read(one)
            top, left = (
                int(share * (have - need + 1))
                for share, have, need in ((down, image.shape[1], height), (right, image.shape[2], width))
            )
            crop = v2.functional.crop(image, top, left, height, width)
            raw[row] = v2.functional.horizontal_flip(crop) if flip and side < 0.5 else crop
        return raw

    def finished(self, raw: Tensor, generator: torch.Generator, flip: bool) -> Tensor:
        """Drawn images as network inputs, computed where they are."""
        return self._preprocessing.normalise(raw)

    def content(self) -> Iterator[bytes]:
        """What makes these images these, for a digest: their pixels, or the names and sizes of undecoded files."""
        for index, file in enumerate(self._files):
            yield f"{file.name} {file.stat().st_size}".encode() if self._resized is None else self._bytes(index)

    def _bytes(self, index: int) -> bytes:
        image = self._read(index)
        return f"{tuple(image.shape)}".encode() + image.numpy().tobytes()

    def _read(self, index: int) -> Tensor:
        if self._resized is not None:
            return self._resized[index]
        return read_resized(self._files[index], self._preprocessing)


def check_files(files: Sequence[Path], preprocessing: Preprocessing, progress: Callable[[], None]) -> None:
    """Raise DataError where a file is missing, cut off or no image: better now than in the middle of a training."""
    with ThreadPoolExecutor(READERS) as readers:
        for _ in readers.map(lambda file: check_file(file, preprocessing), files):
            progress()


def decode(files: Sequence[Path], preprocessing: Preprocessing, progress: Callable[[], None]) -> list[Tensor]:
    """Return all files resized, as uint8 [C, h, w] each; DataError where one cannot be read."""
    images = []
    with ThreadPoolExecutor(READERS) as readers:
        for image in readers.map(lambda file: read_resized(file, preprocessing), files):
            images.append(image)
            progress()
    return images
