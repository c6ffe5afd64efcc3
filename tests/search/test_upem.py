from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from harness.bank import ModelBank, create_bank
from harness.search import Scorer, upem
from harness.search.walk import Walk
from harness.space import Architecture

CLASSES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def bank() -> ModelBank:
    bank = create_bank("resnet8", CLASSES, (1, 16, 16), seed=3)
    with torch.no_grad():  # Fresh heads are so flat that no two predictions differ by much.
        for parameter in bank.heads.parameters():
            parameter.mul_(8)
    return bank


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(12, 1, 16, 16, generator=torch.Generator().manual_seed(5))


def some(bank: ModelBank, count: int, seed: int = 0) -> list[Architecture]:
    rng = np.random.default_rng(seed)
    return [bank.space.sample(rng) for _ in range(count)]


def naive_probabilities(
    bank: ModelBank, arch: Architecture, images: torch.Tensor, temperature: float
) -> list[NDArray[np.float64]]:
    """Cut the subnet out with re-estimated statistics and show it one image after the other."""
    subnet = bank.cut(arch, bank.reestimate(images, arch))
    probabilities = []
    for image in images:
        with torch.no_grad():
            logits = subnet(image[None])[0].double().numpy()
        plain = np.exp(logits) / np.exp(logits).sum()
        sharp = plain ** (1 / temperature)
        probabilities.append(sharp / sharp.sum())
    return probabilities


@pytest.mark.parametrize("temperature", [1.0, 0.25])
@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_upem_is_the_mean_distance_of_predictions_from_the_anchors(
    bank: ModelBank, images: torch.Tensor, norm: upem.Norm, temperature: float
) -> None:
    scorer = Scorer(bank, images, norm=norm, sharpening=None if temperature == 1 else temperature)
    anchor = naive_probabilities(bank, bank.space.full, images, temperature)
    for arch in some(bank, 4):
        distances = []
        for p, q in zip(naive_probabilities(bank, arch, images, temperature), anchor, strict=True):
            distances.append(sum(abs(p - q)) if norm == "l1" else sum((p - q) ** 2) ** 0.5)
        assert sum(distances) / len(distances) > 0.05
        assert scorer([arch]) == [pytest.approx(sum(distances) / len(distances), abs=1e-5)]


def test_predictions_are_those_of_the_deployed_head(bank: ModelBank, images: torch.Tensor) -> None:
    source = create_bank("resnet8", CLASSES, (1, 16, 16), head="source")
    source.load_state_dict(bank.state_dict())
    (arch,) = some(bank, 1)
    outputs = bank.reestimate_and_forward(images, arch)[1]
    torch.testing.assert_close(Scorer(bank, images).predictions(arch), outputs.adapted.softmax(1))
    torch.testing.assert_close(Scorer(source, images).predictions(arch), outputs.source.softmax(1))


def test_the_anchor_scores_zero(bank: ModelBank, images: torch.Tensor) -> None:
    assert Scorer(bank, images)([bank.space.full]) == [0]
    for anchor in some(bank, 3):
        scorer = Scorer(bank, images, anchor=anchor)
        assert scorer.anchors == (anchor,)
        at_anchor, at_full = scorer([anchor, bank.space.full])
        assert at_anchor == 0
        assert at_full > 0


def test_the_ensemble_as_anchor_is_the_mean_prediction_of_uniform_subnets(
    bank: ModelBank, images: torch.Tensor
) -> None:
    scorer = Scorer(bank, images, anchor="ensemble")
    assert scorer.anchors == tuple(bank.space.uniform(ratio) for ratio in (1.0, 0.75, 0.5, 0.25))
    mean = torch.stack([scorer.predictions(arch) for arch in scorer.anchors]).mean(dim=0)
    archs = [bank.space.full, *some(bank, 2)]
    expected = [upem.discrepancy(scorer.predictions(arch), mean) for arch in archs]
    assert min(expected) > 0
    assert scorer(archs) == pytest.approx(expected, abs=1e-5)


def test_what_was_scored_is_not_computed_again(
    bank: ModelBank, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = Scorer(bank, images)
    archs = some(bank, 3)
    first = scorer([*archs, archs[0]])
    assert first[3] == first[0]
    monkeypatch.setattr(Walk, "logits", None)
    assert scorer([*archs, archs[0]]) == first
    assert scorer.evaluations == 3
    assert dict(scorer.scores) == dict(zip(archs, first[:3], strict=True))


def test_memory_of_scores_is_bounded(bank: ModelBank, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upem, "CAPACITY", 2)
    scorer = Scorer(bank, images)
    archs = some(bank, 3)
    for arch in archs[:2]:
        scorer([arch])
    assert len(scorer([*archs, *some(bank, 1, seed=1)])) == 4
    assert list(scorer.scores) == [archs[2], *some(bank, 1, seed=1)]
    assert scorer.evaluations == 4


def test_scoring_leaves_the_bank_alone(bank: ModelBank, images: torch.Tensor) -> None:
    before = {name: value.clone() for name, value in bank.state_dict().items()}
    modes = [module.training for module in bank.modules()]
    Scorer(bank, images)([bank.space.smallest])
    assert all(torch.equal(before[name], value) for name, value in bank.state_dict().items())
    assert [module.training for module in bank.modules()] == modes
    assert all(parameter.grad is None for parameter in bank.parameters())


def test_what_cannot_be_scored_is_refused_in_words(bank: ModelBank, images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"at least two images of shape \(1, 16, 16\), got \(12, 1, 8, 8\)"):
        Scorer(bank, images[:, :, :8, :8])
    with pytest.raises(ValueError, match="at least two images"):
        Scorer(bank, images[:1])
    with pytest.raises(ValueError, match="temperature must be positive, not 0"):
        Scorer(bank, images, sharpening=0)
    with pytest.raises(ValueError, match="unknown norm 'max'; known: l2, l1"):
        Scorer(bank, images, norm="max")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown anchor 'mean'; known: full, ensemble"):
        Scorer(bank, images, anchor="mean")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="resnet8 has 7 widths"):
        Scorer(bank, images)([(32, 32)])


def test_a_diverged_bank_is_noticed(bank: ModelBank, images: torch.Tensor) -> None:
    diverged = create_bank("resnet8", CLASSES, (1, 16, 16))
    torch.nn.init.constant_(diverged.heads.adapted.bias, float("nan"))
    with pytest.raises(ValueError, match="the bank has diverged"):
        Scorer(diverged, images)([bank.space.smallest])
