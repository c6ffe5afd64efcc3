"""Verification: passes what is the subnet, refuses what is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from harness.bank import Architecture, ModelBank, Statistics
from harness.export import ExportMismatch, Template, subnet_filename, verify, write_subnet
from harness.files import WriteError
from tests.bank.factory import images_for, lived_in_bank

Case = tuple[ModelBank, Architecture, Statistics, bytes, torch.Tensor]


@pytest.fixture(scope="module")
def case() -> Case:
    bank = lived_in_bank("resnet8")
    arch = bank.space.uniform(0.4)
    images = images_for(bank, 32)
    statistics = bank.reestimate(images, arch)
    return bank, arch, statistics, Template.create(bank).subnet(bank, arch, statistics), images


def test_a_written_file_verifies_like_its_bytes(case: Case, tmp_path: Path) -> None:
    bank, arch, statistics, model, images = case
    path = write_subnet(tmp_path / "subnets", model, "0123456789ab")
    assert path.name == "0123456789ab-fp32-b1.onnx" == subnet_filename("0123456789ab", "fp32", 1)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    result = verify(path, bank, arch, statistics, images)
    assert result == verify(model, bank, arch, statistics, images)
    assert result.agreement == 1.0
    assert result.relative_error < 1e-5


def test_statistics_of_other_images_are_a_mismatch(case: Case) -> None:
    bank, arch, _, model, images = case
    others = bank.reestimate(images_for(bank, 32, seed=1) * 1.1, arch)
    with pytest.raises(ExportMismatch, match="differs from the bank by"):
        verify(model, bank, arch, others, images)


def test_one_wrong_weight_tensor_is_a_mismatch(case: Case) -> None:
    bank, arch, statistics, _, images = case
    other = lived_in_bank("resnet8")
    with torch.no_grad():
        next(other.layers()[3].module.parameters()).mul_(1.05)
    model = Template.create(other).subnet(other, arch, statistics)
    with pytest.raises(ExportMismatch, match="differs from the bank by"):
        verify(model, bank, arch, statistics, images)


def test_logits_that_are_not_finite_are_a_mismatch(case: Case) -> None:
    bank, arch, statistics, _, images = case
    broken = {name: (mean, torch.full_like(variance, float("nan"))) for name, (mean, variance) in statistics.items()}
    model = Template.create(bank).subnet(bank, arch, broken)
    with pytest.raises(ExportMismatch, match="not finite"):
        verify(model, bank, arch, broken, images)


def test_no_images_verify_nothing(case: Case) -> None:
    bank, arch, statistics, model, images = case
    with pytest.raises(ValueError, match="no images"):
        verify(model, bank, arch, statistics, images[:0])


def test_a_failed_write_leaves_the_old_file_and_no_remains(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = case[3]
    path = write_subnet(tmp_path, model, "0123456789ab")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(WriteError, match="No space left"):
        write_subnet(tmp_path, b"half", "0123456789ab")
    assert path.read_bytes() == model
    assert list(tmp_path.iterdir()) == [path]
