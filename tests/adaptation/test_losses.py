"""Every loss against a naive loop written from METHOD sections 2 and 3, in plain Python floats."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from harness.adaptation import losses


def softmax(values: list[float]) -> list[float]:
    exponentials = [math.exp(v) for v in values]
    return [e / sum(exponentials) for e in exponentials]


def joint(z_s: Tensor, z_t: Tensor, n: int) -> list[float]:
    """p^st: softmax over the 2K concatenated logits."""
    return softmax(z_s[n].tolist() + z_t[n].tolist())


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.fixture(params=[0, 1, 2])
def batch(request: pytest.FixtureRequest) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(request.param)

    def logits() -> Tensor:
        return torch.randn(6, 5, generator=generator, dtype=torch.float64) * 3

    return {
        "ss": logits(),
        "st": logits(),
        "ts": logits(),
        "tt": logits(),
        "y": torch.randint(5, (6,), generator=generator),
    }


def test_task_loss_is_cross_entropy_of_both_heads(batch: dict[str, Tensor]) -> None:
    expected = mean([-math.log(softmax(batch["ss"][n].tolist())[batch["y"][n]]) for n in range(6)]) + mean(
        [-math.log(softmax(batch["st"][n].tolist())[batch["y"][n]]) for n in range(6)]
    )
    assert losses.task_loss(batch["ss"], batch["st"], batch["y"]).item() == pytest.approx(expected)


def test_domain_loss_wants_source_in_the_first_half_and_target_in_the_second(batch: dict[str, Tensor]) -> None:
    expected = -mean([math.log(sum(joint(batch["ss"], batch["st"], n)[:5])) for n in range(6)]) - mean(
        [math.log(sum(joint(batch["ts"], batch["tt"], n)[5:])) for n in range(6)]
    )
    found = losses.domain_loss((batch["ss"], batch["st"]), (batch["ts"], batch["tt"]))
    assert found.item() == pytest.approx(expected)


def test_category_confusion_wants_the_class_under_both_halves(batch: dict[str, Tensor]) -> None:
    y = batch["y"].tolist()
    expected = -0.5 * mean([math.log(joint(batch["ss"], batch["st"], n)[y[n]]) for n in range(6)]) - 0.5 * mean(
        [math.log(joint(batch["ss"], batch["st"], n)[y[n] + 5]) for n in range(6)]
    )
    found = losses.category_confusion_loss(batch["ss"], batch["st"], batch["y"])
    assert found.item() == pytest.approx(expected)


def test_domain_confusion_wants_target_under_both_halves(batch: dict[str, Tensor]) -> None:
    expected = -0.5 * mean([math.log(sum(joint(batch["ts"], batch["tt"], n)[:5])) for n in range(6)]) - 0.5 * mean(
        [math.log(sum(joint(batch["ts"], batch["tt"], n)[5:])) for n in range(6)]
    )
    assert losses.domain_confusion_loss(batch["ts"], batch["tt"]).item() == pytest.approx(expected)


def test_entropy_loss_sums_the_halves_per_class(batch: dict[str, Tensor]) -> None:
    entropies = []
    for n in range(6):
        p = joint(batch["ts"], batch["tt"], n)
        q = [p[k] + p[k + 5] for k in range(5)]
        entropies.append(-sum(v * math.log(v) for v in q))
    assert losses.entropy_loss(batch["ts"], batch["tt"]).item() == pytest.approx(mean(entropies))


def test_losses_stay_finite_where_probabilities_underflow() -> None:
    far = torch.tensor([[200.0, -200.0]])
    for value in (
        losses.domain_loss((-far, far + 300), (far + 300, -far)),
        losses.domain_confusion_loss(far + 300, -far),
        losses.entropy_loss(far, -far),
        losses.category_confusion_loss(far, far, torch.tensor([1])),
    ):
        assert value.isfinite()


def test_ensemble_and_sharpening_follow_the_formula(batch: dict[str, Tensor]) -> None:
    beliefs = torch.stack([losses.belief(batch["ss"], batch["st"]), losses.belief(batch["ts"], batch["tt"])])
    alpha = losses.capacity_confidence([9.0, 1.0])
    assert alpha.tolist() == pytest.approx([0.75, 0.25])
    found = losses.sharpen(losses.ensemble(beliefs, alpha), 0.5)
    for n in range(6):
        p = [
            [0.5 * a + 0.5 * b for a, b in zip(softmax(z_s[n].tolist()), softmax(z_t[n].tolist()), strict=True)]
            for z_s, z_t in ((batch["ss"], batch["st"]), (batch["ts"], batch["tt"]))
        ]
        ybar = [0.75 * p[0][k] + 0.25 * p[1][k] for k in range(5)]
        total = sum(v ** (1 / 0.5) for v in ybar)
        assert found[n].tolist() == pytest.approx([v ** (1 / 0.5) / total for v in ybar])


def test_knowledge_loss_is_soft_cross_entropy_and_stops_at_the_knowledge(batch: dict[str, Tensor]) -> None:
    knowledge = losses.belief(batch["ss"], batch["st"]).requires_grad_()
    logits = batch["tt"].clone().requires_grad_()
    loss = losses.knowledge_loss(knowledge, logits)
    expected = mean(
        [
            -sum(float(knowledge[n, k].detach()) * math.log(softmax(batch["tt"][n].tolist())[k]) for k in range(5))
            for n in range(6)
        ]
    )
    assert loss.item() == pytest.approx(expected)
    loss.backward()  # type: ignore[no-untyped-call]
    assert knowledge.grad is None
    assert logits.grad is not None


def test_entropy_confidence_trusts_the_surer_subnet() -> None:
    sure, unsure = torch.tensor([[0.98, 0.01, 0.01]]), torch.full((1, 3), 1 / 3)
    alpha = losses.entropy_confidence(torch.stack([sure, unsure]))
    h_sure = -(0.98 * math.log(0.98) + 2 * 0.01 * math.log(0.01))
    expected = softmax([-h_sure, -math.log(3)])
    assert alpha.tolist() == pytest.approx(expected)
    assert alpha[0] > alpha[1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1, 1e9), min_size=1, max_size=6), st.sampled_from([0.25, 0.5, 1.0]), st.integers(0, 999))
def test_confidences_are_shares_and_sharpened_labels_are_probabilities(
    macs: list[float], temperature: float, seed: int
) -> None:
    beliefs = torch.randn(len(macs), 4, 3, generator=torch.Generator().manual_seed(seed)).mul(9).softmax(dim=2)
    for alpha in (
        losses.uniform_confidence(len(macs)),
        losses.capacity_confidence(macs),
        losses.entropy_confidence(beliefs),
    ):
        assert alpha.sum().item() == pytest.approx(1.0, abs=1e-5)
        labels = losses.sharpen(losses.ensemble(beliefs, alpha), temperature)
        assert labels.sum(dim=1).tolist() == pytest.approx([1.0] * 4, abs=1e-5)
