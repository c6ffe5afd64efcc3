"""Batched train-time augmentation, the same for source and target images; it never sees a label."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(
    images: Tensor,
    rng: torch.Generator,
    *,
    rotation: float = 8.0,
    shear: float = 0.15,
    scale: float = 0.1,
    shift: float = 0.06,
    flip: bool = False,
) -> Tensor:
    """A small random affine warp of every image: [N, C, H, W] in, the same shape and dtype out.

    rotation: largest angle in degrees; shear: largest horizontal shear; scale: largest relative change of height and
    of width; shift: largest translation as a share of the image's size; flip: mirror every second image, at random.
    What comes in from outside is the border's own value, so normalised images keep their background.
    """
    count = len(images)

    def uniform(limit: float) -> Tensor:
        return (torch.rand(count, generator=rng) * 2 - 1) * limit

    angle, slant = uniform(math.radians(rotation)), uniform(shear)
    wide, high = 1 + uniform(scale), 1 + uniform(scale)
    if flip:
        wide = wide * (1 - 2 * torch.randint(2, (count,), generator=rng))
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        [
            torch.stack([cos * wide, (slant * cos - sin) * high, uniform(2 * shift)], 1),
            torch.stack([sin * wide, (slant * sin + cos) * high, uniform(2 * shift)], 1),
        ],
        1,
    ).to(images)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
