"""Corrupted CIFAR-10: deterministic, of the strength that is stated, and disjoint from the clean half."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.data import DataError, load_pair, load_source
from harness.data.catalogue import CIFAR10_CLASSES
from harness.data.corruptions import CORRUPTIONS, NOISE, Corruption, corrupted, height_field
from tests.data.made import classes


def images(count: int = 8) -> torch.Tensor:
    """Smooth pictures with some detail."""
    coarse = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    fine = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    large = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear")
    return ((0.85 * large + 0.15 * fine) * 255).to(torch.uint8)


def distance(first: torch.Tensor, second: torch.Tensor) -> float:
    return (first.float() - second.float()).square().mean().sqrt().item()


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_each_grows_with_its_severity_and_keeps_shape_and_bytes(kind: Corruption) -> None:
    clean = images()
    levels = [corrupted(clean, kind, severity, 0) for severity in range(1, 6)]
    assert all(level.shape == clean.shape and level.dtype == torch.uint8 for level in levels)
    distances = [distance(clean, level) for level in levels]
    assert distances == sorted(distances)
    assert distances[0] > 1
    assert corrupted(clean, kind, 5, 0).equal(levels[4])


def test_the_mix_takes_each_kind_in_turn_by_the_images_index() -> None:
    clean = images()
    mixed = corrupted(clean, "corrupted", 4, 0)
    for position, kind in enumerate(CORRUPTIONS):
        assert mixed[position::4].equal(corrupted(clean[position::4], kind, 4, 0))


def test_another_seed_is_another_noise() -> None:
    assert not corrupted(images(), "noise", 3, 0).equal(corrupted(images(), "noise", 3, 1))


@pytest.mark.parametrize("severity", [1, 5])
def test_noise_has_the_stated_deviation(severity: int) -> None:
    grey = torch.full((50, 3, 32, 32), 128, dtype=torch.uint8)
    found = corrupted(grey, "noise", severity, 0).float() / 255
    assert found.std().item() == pytest.approx(NOISE[severity - 1], rel=0.02)


def test_fog_lowers_contrast_and_darkens_nothing_to_black() -> None:
    clean = images()
    foggy = corrupted(clean, "fog", 5, 0)
    assert foggy.float().std() < 0.8 * clean.float().std()
    assert foggy.min() >= clean.min()


def test_height_fields_fill_the_range_from_nought_to_one() -> None:
    fields = height_field(5, 32, 2.0, torch.Generator().manual_seed(0))
    assert fields.amin((1, 2, 3)).tolist() == [0.0] * 5
    assert fields.amax((1, 2, 3)).tolist() == [1.0] * 5


@pytest.mark.parametrize("severity", [0, 6])
def test_other_severities_are_refused(severity: int) -> None:
    with pytest.raises(ValueError, match="severity is 1 to 5"):
        corrupted(images(), "fog", severity, 0)


@pytest.fixture
def cifar10(tmp_path: Path) -> Path:
    for part, count in (("train", 8), ("test", 2)):
        classes(tmp_path / "cifar10" / part, CIFAR10_CLASSES, count, 5000 if part == "test" else 0)
    return tmp_path


def test_clean_and_corrupted_images_are_never_of_the_same_picture(cifar10: Path) -> None:
    clean, _ = load_pair("cifar10", "cifar10", data_root=cifar10)
    both = [{image.numpy().tobytes() for image in part} for part in (clean.source.images[:], clean.target[:])]
    assert [len(part) for part in both] == [40, 40]
    assert not both[0] & both[1]


def test_a_source_without_a_target_is_all_of_the_training_images(cifar10: Path) -> None:
    domains = load_source("cifar10", data_root=cifar10)
    source, target = (
        {image.numpy().tobytes() for image in part[:]} for part in (domains.source.images, domains.target)
    )
    assert len(source) == 80
    assert source == target
    assert len(domains.source_check) == 20
    assert set(domains.source_check.labels.tolist()) == set(range(10))
    with pytest.raises(DataError, match="--data-root is needed for cifar10:"):
        load_source("cifar10")


def test_the_corrupted_domain_states_its_severity_and_reports_on_corrupted_test_images(cifar10: Path) -> None:
    domains, held_out = load_pair("cifar10", "cifar10:corrupted-2", data_root=cifar10)
    clean, clean_held_out = load_pair("cifar10", "cifar10", data_root=cifar10)
    assert held_out is not None
    assert clean_held_out is not None
    assert domains.name == "cifar10 to cifar10:corrupted-2"
    assert domains.flip
    assert held_out.labels.equal(clean_held_out.labels)
    assert not held_out.images[:].equal(clean_held_out.images[:])
    assert domains.source.images[:].equal(clean.source.images[:])
