"""What adaptation, scoring and export may see of the two domains, and - apart from it - what only the report may."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Literal, Protocol, runtime_checkable

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

#: Pixels of one forward pass for batch-norm statistics: 668 images of 224x224, whose widest activations fill some 5 GB.
CALIBRATION_PIXELS = 2**25
#: Enough for those statistics where images are small: the standard error of a mean is below 2% of the spread.
CALIBRATION_IMAGES = 4096


class DataError(Exception):
    """Input data cannot be used; the message is one sentence that names the file or folder."""


class Preprocessing(BaseModel):
    """How a raw image becomes the network's input: all that a user of an exported ONNX file needs to know.

    Raw values in [0, value_scale] are resized to `size` (height, width), divided by `value_scale`, then normalised per
    channel as (x - mean) / std. `resize` says how: "stretch" resizes straight to `size`; "shorter-side-then-crop"
    resizes the shorter side to `shorter_side` pixels, keeping the aspect, and cuts `size` out of the centre.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: tuple[int, int]
    channels: Literal[1, 3]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    value_scale: float = Field(default=255.0, gt=0)
    resize: Literal["stretch", "shorter-side-then-crop"] = "stretch"
    shorter_side: int | None = Field(default=None, ge=1)
    interpolation: Literal["bilinear"] = "bilinear"
    antialias: bool = True

    @model_validator(mode="after")
    def _consistent(self) -> Preprocessing:
        if min(self.size) < 1:
            raise ValueError(f"size must be positive, not {self.size}")
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ValueError(f"mean and std need {self.channels} value(s) each")
        if min(self.std) <= 0:
            raise ValueError("std must be positive")
        if (self.resize == "shorter-side-then-crop") != (self.shorter_side is not None):
            raise ValueError("shorter_side belongs to resize='shorter-side-then-crop', and only there")
        if self.shorter_side is not None and self.shorter_side < max(self.size):
            raise ValueError(f"shorter_side {self.shorter_side} is smaller than the crop {self.size}")
        return self

    def normalise(self, images: Tensor) -> Tensor:
        """Resized raw images [N, C, H, W] with values in [0, value_scale] to float32 network inputs."""
        shape = (1, self.channels, 1, 1)
        mean = torch.tensor(self.mean, device=images.device).view(shape)
        std = torch.tensor(self.std, device=images.device).view(shape)
        return (images.float() / self.value_scale - mean) / std

    def to_json(self) -> str:
        """This preprocessing as a JSON object."""
        return self.model_dump_json()

    @property
    def forward_limit(self) -> int:
        """How many images one forward pass for statistics takes at most."""
        height, width = self.size
        return min(CALIBRATION_IMAGES, max(64, CALIBRATION_PIXELS // (height * width)))


class Images(Protocol):
    """Network inputs [N, C, H, W] float32 by index: a tensor, or images that are decoded when they are asked for."""

    @property
    def shape(self) -> torch.Size:
        """(N, C, H, W)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Tensor | slice, /) -> Tensor: ...


@runtime_checkable
class Undecoded(Images, Protocol):
    """Images that are not network inputs yet (`harness.data.images`)."""

    def subset(self, index: Tensor) -> Undecoded:
        """The images at `index`, in its order, not decoded either."""

    def drawn(self, index: Tensor, mine: slice, generator: torch.Generator, flip: bool) -> Tensor:
        """The images at `index` as uint8 for a training batch, cropped; rows that are not `mine` may stay black."""

    def finished(self, raw: Tensor, generator: torch.Generator, flip: bool) -> Tensor:
        """Drawn images as augmented network inputs."""

    def content(self) -> Iterator[bytes]:
        """What makes these images these, for a digest."""


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Network inputs [N, C, H, W] float32 and their class indices [N] int64."""

    images: Images
    labels: Tensor

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise ValueError(f"{len(self.images)} images but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.labels)

    def in_one_pass(self) -> LabelledImages:
        """Return all images, or every so many-th: as many as one forward pass can hold."""
        height, width = self.images.shape[2:]
        every = math.ceil(len(self) / max(64, CALIBRATION_PIXELS // (height * width)))
        return LabelledImages(self.images[::every], self.labels[::every])


@dataclass(frozen=True, eq=False)
class Domains:
    """The labelled source and the *unlabelled* target. No target label and no held-out target image is in here.

    `target`: unlabelled training images [N, C, H, W]; their order says nothing about their classes. `flip`: whether a
    mirrored image still shows its class, as in photographs but not in digits. `workers`: processes that decode training
    batches ahead, where images are decoded when they are asked for.
    """

    name: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    source: LabelledImages
    source_check: LabelledImages
    target: Images
    flip: bool = False
    workers: int = 0

    @cached_property
    def calibration(self) -> Tensor:
        """The unlabelled target images for batch-norm statistics: all, or as many as one forward pass can hold.

        The target is in random order, so the first ones are a random sample.
        """
        return self.target[: self.preprocessing.forward_limit]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of everything above: equal digests mean equal names, preprocessing, images and labels.

        Files that are decoded when asked for count by name and size.
        """
        return _digest(chain([f"{self.name} {self.flip}".encode()], self._of_source(), _content(self.target)))

    @cached_property
    def source_digest(self) -> str:
        """The same without name and target: all that training on the source alone depends on."""
        return _digest(chain([f"{self.flip}".encode()], self._of_source()))

    def _of_source(self) -> Iterator[bytes]:
        yield from (name.encode() for name in self.classes)
        yield self.preprocessing.to_json().encode()
        for labelled in (self.source, self.source_check):
            yield from _content(labelled.images)
            yield from _content(labelled.labels)


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _content(images: Images) -> Iterator[bytes]:
    if isinstance(images, Tensor):
        yield f"{tuple(images.shape)} {images.dtype}".encode()
        yield images.contiguous().numpy().tobytes()
    else:
        assert isinstance(images, Undecoded)
        yield from images.content()


@dataclass(frozen=True, eq=False)
class TargetLabels:
    """Held-out target images [N, C, H, W] with their labels [N]. Made beside `Domains`; the report alone gets it."""

    images: Images = field(repr=False)
    labels: Tensor = field(repr=False)
