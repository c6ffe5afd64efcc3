"""From what --source and --target name to the images of both sides."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harness.data.corruptions import corrupted
from harness.data.domains import DataError
from harness.data.ends import End, PathEnd, PhotographEnd, SmallEnd, parse_end
from harness.data.folders import scan
from harness.data.listing import Listing
from harness.data.lists import read_list
from harness.data.photographs import find_domain
from harness.data.sides import Part, Side
from harness.data.small import SmallSet, read_small
from harness.data.splitting import split

CORRUPTION_SEED = 0  # of the set, not of a run: every seed of an experiment sees the same corrupted images


def find_sides(source: str, target: str, data_root: Path | None, *, seed: int, download: bool) -> tuple[Side, Side]:
    """Find both; of two that are made of one set, each has one half of its training images. Raises DataError."""
    ends = parse_end(source), parse_end(target)
    if any(isinstance(end, SmallEnd | PhotographEnd) for end in ends) and data_root is None:
        raise DataError(f"--data-root is needed for {source} to {target}: the folder that holds the data sets.")
    first, second = ends
    if isinstance(first, SmallEnd) and isinstance(second, SmallEnd):
        assert data_root is not None
        return _small_sides(first, second, data_root, seed, download)
    if isinstance(first, PhotographEnd) and first == second:
        raise DataError(f"{source} is source and target; two domains are needed.")
    names = _path_names(*(end.path if isinstance(end, PathEnd) else None for end in ends))
    sides = [_side(end, name, data_root, download) for end, name in zip(ends, names, strict=True)]
    return sides[0], sides[1]


def find_side(source: str, data_root: Path | None, *, download: bool) -> Side:
    """Find labelled images that nothing is adapted to: all of them. Raises DataError."""
    end = parse_end(source)
    if isinstance(end, SmallEnd | PhotographEnd) and data_root is None:
        raise DataError(f"--data-root is needed for {source}: the folder that holds the data sets.")
    (name,) = _path_names(end.path if isinstance(end, PathEnd) else None)
    return _side(end, name, data_root, download)


def fetch(spec: str, data_root: Path) -> None:
    """Download what a name stands for, where that is absent and can be; raises DataError where it fails."""
    end = parse_end(spec)
    if isinstance(end, SmallEnd):
        read_small(end.name, data_root, download=True)


def _own_side(listing: Listing, name: str) -> Side:
    """The user's own images."""
    return Side(name, str(listing.place), _part(listing), None, listing.classes, numbered=listing.numbered, own=True)


def _path_names(*paths: Path | None) -> list[str]:
    """Each path as seen from the folder that holds them all: "dslr/images" and "webcam/images"."""
    known = [path.resolve() for path in paths if path is not None]
    shared = os.path.commonpath([path.parent for path in known]) if known else ""
    return ["" if path is None else path.resolve().relative_to(shared).as_posix() for path in paths]


def _side(end: End, name: str, data_root: Path | None, download: bool) -> Side:
    if isinstance(end, PathEnd):
        return _own_side(scan(end.path) if end.path.is_dir() else read_list(end.path, *_given(data_root)), name)
    assert data_root is not None
    if isinstance(end, SmallEnd):
        return _small_side(end, read_small(end.name, data_root, download=download))
    train, test = find_domain(end.known, end.domain, data_root)
    return Side(
        end.label,
        str(train.place),
        _part(train),
        _part(test) if test else None,
        train.classes,
        numbered=train.numbered,
    )


def _given(data_root: Path | None) -> tuple[Path, ...]:
    return () if data_root is None else (data_root,)


def _part(listing: Listing) -> Part:
    return Part(listing.files, None if listing.classes is None else torch.tensor(listing.labels))


def _small_sides(first: SmallEnd, second: SmallEnd, data_root: Path, seed: int, download: bool) -> tuple[Side, Side]:
    one = read_small(first.name, data_root, download=download)
    if first.name != second.name:
        return _small_side(first, one), _small_side(second, read_small(second.name, data_root, download=download))
    halves = split(len(one.train[1]), 0.5, np.random.default_rng([seed, len(one.train[1])]))
    return _small_side(first, one, halves[0]), _small_side(second, one, halves[1])


def _small_side(end: SmallEnd, found: SmallSet, kept: Tensor | None = None) -> Side:
    parts = []
    for offset, (images, labels) in enumerate((found.train, found.test)):
        if end.corruption is not None:
            images = corrupted(images, end.corruption, end.severity, CORRUPTION_SEED + offset)
        chosen = slice(None) if kept is None or offset else kept
        parts.append(Part(images[chosen], labels[chosen]))
    return Side(end.label, end.name, parts[0], parts[1], found.classes, flip=end.name == "cifar10")
