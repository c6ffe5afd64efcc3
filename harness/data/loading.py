"""Training batches of both domains, decoded ahead of the steps that need them, and augmented where the network runs."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from harness import processes
from harness.data.augmentation import augment
from harness.data.domains import DataError, Domains, Images, Undecoded
from harness.data.images import ImageFiles

MOST_WORKERS = 8
AHEAD = 2  # batches per worker


EVERY = slice(None)


class Draw(NamedTuple):
    """What one step takes: rows of both domains, none where it needs none, and the seed of its crops and warps.

    `mine`: which of those rows this process runs, of either domain; files of the others are not decoded.
    """

    source: Tensor
    target: Tensor
    seed: int
    mine: tuple[slice, slice] = (EVERY, EVERY)


class TrainingBatch(NamedTuple):
    """Augmented network inputs of both domains, and the source's labels."""

    source: Tensor
    labels: Tensor
    target: Tensor


def default_workers() -> int:
    """How many processes decode: as many as this process has cores, up to 8, shared with its torchrun neighbours."""
    return max(1, min(MOST_WORKERS, processes.usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


def training_batches(
    domains: Domains, draws: Iterable[Draw], device: torch.device | str = "cpu"
) -> Iterator[TrainingBatch]:
    """Yield every draw's batch, on `device`; the same draws give the same batches with any number of workers.

    Where files are decoded when needed, `domains.workers` processes do it, some batches ahead, for as long as draws
    last. What travels is bytes, through pinned memory; floats, and the warps of small images, are made on the device.
    Raises DataError where an image cannot be read.
    """
    wanted: list[Draw] = []

    def noted() -> Iterator[Draw]:
        for draw in draws:
            wanted.append(draw)
            yield draw

    rows = _Rows(domains.source.images, domains.target, domains.flip)
    for raw in _ahead(rows, noted(), domains.workers):
        if isinstance(raw, str):
            raise DataError(raw)
        draw = wanted.pop(0)
        generator = torch.Generator().manual_seed(draw.seed)
        source, target = (
            _finished(images, part.to(device, non_blocking=True), generator, domains.flip)
            for images, part in zip((domains.source.images, domains.target), raw, strict=True)
        )
        yield TrainingBatch(source, domains.source.labels[draw.source].to(device), target)


Raw = tuple[Tensor, Tensor] | str


class _Rows(Dataset[Raw]):
    """A draw's rows of both domains, decoded; the message of a DataError in place of what cannot be.

    An exception would arrive from a worker with its traceback as its message.
    """

    def __init__(self, source: Images, target: Images, flip: bool) -> None:
        self._source, self._target, self._flip = source, target, flip

    def __getitem__(self, draw: Draw) -> Raw:
        generator = torch.Generator().manual_seed(draw.seed)
        try:
            return (
                _drawn(self._source, draw.source, draw.mine[0], generator, self._flip),
                _drawn(self._target, draw.target, draw.mine[1], generator, self._flip),
            )
        except DataError as error:
            return str(error)


def _ahead(rows: _Rows, draws: Iterator[Draw], workers: int) -> Iterable[Raw]:
    decoding = any(isinstance(images, ImageFiles) and not images.in_memory for images in (rows._source, rows._target))
    if not decoding or workers == 0:
        return map(rows.__getitem__, draws)
    methods = multiprocessing.get_all_start_methods()
    loader: DataLoader[Raw] = DataLoader(
        rows,
        batch_size=None,
        sampler=draws,
        num_workers=workers,
        prefetch_factor=AHEAD,
        pin_memory=torch.cuda.is_available(),
        multiprocessing_context="forkserver" if "forkserver" in methods else "spawn",  # this process has threads
    )
    return loader


def _drawn(images: Images, index: Tensor, mine: slice, generator: torch.Generator, flip: bool) -> Tensor:
    return images.drawn(index, mine, generator, flip) if isinstance(images, Undecoded) else images[index]


def _finished(images: Images, raw: Tensor, generator: torch.Generator, flip: bool) -> Tensor:
    if not len(raw):
        return raw
    if isinstance(images, Undecoded):
        return images.finished(raw, generator, flip)
    return augment(raw, generator, flip=flip)
