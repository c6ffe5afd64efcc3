"""Augmentation keeps what must be kept, changes what may change, and follows its generator."""

from __future__ import annotations

from functools import partial

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data import augment


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 9),
    channels=st.sampled_from([1, 3]),
    height=st.integers(4, 33),
    width=st.integers(4, 33),
    seed=st.integers(0, 2**31),
    flip=st.booleans(),
    double=st.booleans(),
)
def test_shape_type_range_and_repeatability(
    count: int, channels: int, height: int, width: int, seed: int, flip: bool, double: bool
) -> None:
    dtype = torch.float64 if double else torch.float32
    images = torch.randn(count, channels, height, width, generator=seeded(1), dtype=dtype)
    before = images.clone()
    changed = augment(images, seeded(seed), flip=flip)
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert changed.isfinite().all()
    assert torch.equal(images, before)
    assert torch.equal(changed, augment(images, seeded(seed), flip=flip))
    assert changed.min() >= images.min() - 1e-5  # interpolation invents no values
    assert changed.max() <= images.max() + 1e-5


def test_every_image_is_warped_in_its_own_way_and_every_call_differs() -> None:
    images = torch.randn(1, 1, 16, 16, generator=seeded(0)).expand(4, -1, -1, -1)
    rng = seeded(0)
    first, second = augment(images, rng), augment(images, rng)
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])


def test_without_limits_nothing_changes_and_flip_mirrors_some() -> None:
    images = torch.randn(16, 3, 8, 8, generator=seeded(0))
    still = partial(augment, rotation=0.0, shear=0.0, scale=0.0, shift=0.0)
    assert torch.allclose(still(images, seeded(0)), images, atol=1e-5)
    flipped = still(images, seeded(0), flip=True)
    same = [torch.allclose(a, b, atol=1e-5) for a, b in zip(flipped, images, strict=True)]
    mirrored = [torch.allclose(a, b.flip(-1), atol=1e-5) for a, b in zip(flipped, images, strict=True)]
    assert all(a != b for a, b in zip(same, mirrored, strict=True))
    assert 0 < sum(mirrored) < 16


def test_an_image_of_one_value_stays_what_it_is() -> None:
    images = torch.full((3, 1, 16, 16), -0.9)
    assert torch.allclose(augment(images, seeded(2)), images)
