"""What adaptation has to build on is estimated without target labels, and told where it is little."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from harness.adaptation import AdaptationSettings, estimated_accuracy, forewarning, train
from harness.bank import Architecture, ModelBank, create_bank
from harness.data import Domains, LabelledImages


def capacity(arch: Architecture) -> float:
    return float(sum(arch))


@pytest.fixture
def trained(domains: Domains) -> ModelBank:
    """A bank that has learnt from the source alone."""
    settings = AdaptationSettings(source_iterations=40, adaptation_iterations=0, batch_size=24, model_batch=3)
    bank = create_bank("resnet8", domains.classes, (1, 16, 16), seed=0)
    train(bank, domains, settings, capacity=capacity)
    return bank


@torch.no_grad()
def probabilities(bank: ModelBank, images: Tensor) -> Tensor:
    return bank.reestimate_and_forward(images, bank.space.full)[1].adapted.softmax(dim=1).double()


def entropies(rows: Tensor) -> list[float]:
    return [-sum(p * math.log(p) for p in row if p > 0) for row in rows.tolist()]


def test_is_the_share_of_the_target_that_is_as_sure_as_the_source_is_where_it_is_right(
    domains: Domains, trained: ModelBank
) -> None:
    labels = domains.source_check.labels.clone()
    labels[::3] = (labels[::3] + 1) % 3
    images = domains.source_check.images[:]
    source, target = probabilities(trained, images), probabilities(trained, domains.target[:])
    right = int((source.argmax(dim=1) == labels).sum())
    assert 0 < right < len(labels)
    limit, next_limit = sorted(entropies(source))[right - 1 : right + 1]
    least, most = (sum(entropy <= end for entropy in entropies(target)) for end in (limit, next_limit))
    mislabelled = replace(domains, source_check=LabelledImages(images, labels))
    found = estimated_accuracy(trained, trained.space.full, mislabelled)
    assert 0 < least <= round(found * len(target)) <= most < len(target)


def test_on_the_source_itself_it_is_the_accuracy(domains: Domains, trained: ModelBank) -> None:
    check = domains.source_check
    own = replace(domains, target=check.images)
    right = (probabilities(trained, check.images[:]).argmax(dim=1) == check.labels).double().mean()
    assert estimated_accuracy(trained, trained.space.full, own) == pytest.approx(float(right), abs=1.5 / len(check))


def test_only_a_target_unlike_the_source_is_warned_of(domains: Domains, trained: ModelBank) -> None:
    assert forewarning(estimated_accuracy(trained, trained.space.full, domains)) is None
    noise = torch.randn(domains.target[:].shape, generator=torch.Generator().manual_seed(1))
    warning = forewarning(estimated_accuracy(trained, trained.space.full, replace(domains, target=noise)))
    assert warning
    assert "--method source-only" in warning
