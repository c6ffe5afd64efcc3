"""What adaptation has to build on is estimated without target labels, and told where it is little."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from harness.adaptation import AdaptationSettings, Foresight, look_ahead, train
from harness.adaptation.foresight import settled
from harness.bank import Architecture, ModelBank, create_bank
from harness.data import Domains, LabelledImages

SHORT = AdaptationSettings(source_iterations=2, adaptation_iterations=4, batch_size=8, model_batch=2)


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
    found = look_ahead(trained, trained.space.full, mislabelled).estimated_target_accuracy
    assert 0 < least <= round(found * len(target)) <= most < len(target)


def test_on_the_source_itself_it_is_the_accuracy(domains: Domains, trained: ModelBank) -> None:
    check = domains.source_check
    own = replace(domains, target=check.images)
    right = (probabilities(trained, check.images[:]).argmax(dim=1) == check.labels).double().mean()
    found = look_ahead(trained, trained.space.full, own)
    assert found.source_accuracy == pytest.approx(float(right))
    assert found.estimated_target_accuracy == pytest.approx(float(right), abs=1.5 / len(check))


def test_only_a_target_unlike_the_source_is_warned_of(domains: Domains, trained: ModelBank) -> None:
    assert look_ahead(trained, trained.space.full, domains).forewarning is None
    noise = torch.randn(domains.target[:].shape, generator=torch.Generator().manual_seed(1))
    warning = look_ahead(trained, trained.space.full, replace(domains, target=noise)).forewarning
    assert warning
    assert "--method source-only" in warning


def test_the_weight_of_the_entropy_is_left_open_until_the_source_is_learnt_unless_it_is_given() -> None:
    well, badly = Foresight(0.93, 0.65), Foresight(0.81, 0.78)
    assert [settled(AdaptationSettings(), ahead).entropy_weight for ahead in (well, badly)] == [1.0, 0.0]
    for weight in (0.0, 0.1, 1.0):
        given = AdaptationSettings(entropy_weight=weight)
        assert settled(given, badly) == settled(given, well) == given


@pytest.mark.parametrize(("accuracy", "weight"), [(0.93, 1.0), (0.81, 0.0)])
def test_a_bank_is_adapted_with_the_weight_that_was_settled(
    domains: Domains, monkeypatch: pytest.MonkeyPatch, accuracy: float, weight: float
) -> None:
    def adapted(entropy_weight: float | None) -> dict[str, Tensor]:
        bank = create_bank("resnet8", domains.classes, (1, 16, 16), seed=0)
        train(bank, domains, SHORT.model_copy(update={"entropy_weight": entropy_weight}), capacity=capacity)
        return bank.state_dict()

    monkeypatch.setattr("harness.adaptation.training.look_ahead", lambda *_: Foresight(accuracy, 0.9))
    found, same, other = adapted(None), adapted(weight), adapted(1.0 - weight)
    assert all(found[name].equal(same[name]) for name in found)
    assert not all(found[name].equal(other[name]) for name in found)


def test_what_was_settled_stands_when_the_training_is_resumed(
    domains: Domains, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Foresight] = []

    def adapted(accuracy: float, last: int) -> dict[str, Tensor]:
        def stop(done: int, _: int) -> None:
            if done > last:
                raise KeyboardInterrupt

        monkeypatch.setattr("harness.adaptation.training.look_ahead", lambda *_: Foresight(accuracy, 0.9))
        bank = create_bank("resnet8", domains.classes, (1, 16, 16), seed=0)
        checkpoint = tmp_path / "checkpoint.safetensors"
        train(bank, domains, SHORT, capacity=capacity, checkpoint=checkpoint, progress=stop, foresee=told.append)
        return bank.state_dict()

    monkeypatch.setattr("harness.adaptation.training.CHECKPOINT_EVERY", 1)
    with pytest.raises(KeyboardInterrupt):
        adapted(0.93, last=3)
    resumed = adapted(0.81, last=6)
    (tmp_path / "checkpoint.safetensors").unlink()
    undisturbed = adapted(0.93, last=6)
    assert all(resumed[name].equal(undisturbed[name]) for name in resumed)
    assert told == [Foresight(0.93, 0.9)] * 2


def test_what_learns_from_the_source_alone_is_not_looked_at(domains: Domains, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.adaptation.training.look_ahead", lambda *_: pytest.fail("looked at"))
    bank = create_bank("resnet8", domains.classes, (1, 16, 16), seed=0)
    train(bank, domains, SHORT.model_copy(update={"method": "source-only"}), capacity=capacity)
