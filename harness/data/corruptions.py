"""Corrupted CIFAR-10, made in code: four of the corruptions of Hendrycks & Dietterich (ICLR 2019), severity 1 to 5.

Theirs, with the constants of their CIFAR-10-C: Gaussian noise, x + N(0, c); Gaussian blur of standard deviation c; fog,
(x + c h) m / (m + c) with m the image's largest value and h a random height field in 0..1, which lowers the contrast;
JPEG of quality c. Ours: the field h (octaves of interpolated noise in place of the diamond-square algorithm), the
blur's borders (mirrored), values rounded instead of cut off to 8 bits, the random numbers, and the mix.
"""

from __future__ import annotations

from io import BytesIO
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

Corruption = Literal["noise", "blur", "fog", "jpeg"]
CORRUPTIONS: tuple[Corruption, ...] = get_args(Corruption)
SEVERITY = 5  # the one that test-time adaptation is usually reported at

NOISE = (0.04, 0.06, 0.08, 0.09, 0.10)
BLUR = (0.4, 0.6, 0.7, 0.8, 1.0)
FOG = ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))
QUALITY = (80, 65, 58, 50, 40)
CHUNK = 1000


def corrupted(images: Tensor, kind: Corruption | Literal["corrupted"], severity: int, seed: int) -> Tensor:
    """Images uint8 [N, C, H, W] after a corruption, or each after one of the four by its index for "corrupted".

    The same seed gives the same bytes. `severity` is 1 to 5.
    """
    if not 1 <= severity <= 5:
        raise ValueError(f"severity is 1 to 5, not {severity}")
    if kind != "corrupted":
        return _all_of_a_kind(images, kind, severity, torch.Generator().manual_seed(seed))
    mixed = torch.empty_like(images)
    for position, one in enumerate(CORRUPTIONS):
        generator = torch.Generator().manual_seed(seed)
        step = len(CORRUPTIONS)
        mixed[position::step] = _all_of_a_kind(images[position::step], one, severity, generator)
    return mixed


def _all_of_a_kind(images: Tensor, kind: Corruption, severity: int, generator: torch.Generator) -> Tensor:
    parts = [_corrupt(part, kind, severity - 1, generator) for part in torch.split(images, CHUNK)]
    return torch.cat(parts) if parts else images


def _corrupt(images: Tensor, kind: Corruption, level: int, generator: torch.Generator) -> Tensor:
    if kind == "jpeg":
        return torch.stack([_jpeg(image, QUALITY[level]) for image in images])
    values = images.float() / 255
    if kind == "noise":
        values = values + NOISE[level] * torch.randn(values.shape, generator=generator)
    elif kind == "blur":
        radius = round(4 * BLUR[level])
        values = v2.functional.gaussian_blur(values, [2 * radius + 1] * 2, [BLUR[level]] * 2)
    else:
        strength, decay = FOG[level]
        brightest = values.amax((1, 2, 3), keepdim=True)
        field = height_field(len(values), values.shape[-1], decay, generator)
        values = (values + strength * field) * brightest / (brightest + strength)
    return (values.clamp(0, 1) * 255).round().to(torch.uint8)


def height_field(count: int, size: int, decay: float, generator: torch.Generator) -> Tensor:
    """Random smooth fields [count, 1, size, size] from 0 to 1: each octave has 1/decay of the last one's amplitude."""
    field = torch.zeros(count, 1, size, size)
    knots, amplitude = 2, 1.0
    while knots <= size:
        octave = torch.rand(count, 1, knots, knots, generator=generator)
        field += amplitude * F.interpolate(octave, size=(size, size), mode="bilinear", align_corners=True)
        knots, amplitude = knots * 2, amplitude / decay
    low, high = field.amin((2, 3), keepdim=True), field.amax((2, 3), keepdim=True)
    return (field - low) / (high - low)


def _jpeg(image: Tensor, quality: int) -> Tensor:
    packed = BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(packed, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(packed))).permute(2, 0, 1)
