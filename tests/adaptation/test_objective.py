"""Which parameters each part of the objective moves, and that saving memory changes nothing."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from harness.adaptation.losses import entropy_loss
from harness.adaptation.objective import (
    Batch,
    adaptation_losses,
    extract,
    ramp,
    received_loss,
    source_losses,
    symnet_loss,
    teach,
)
from harness.adaptation.settings import AdaptationSettings, Method
from harness.bank import Architecture, ModelBank
from harness.data import Domains
from tests.bank.factory import stem_of


def capacity(arch: Architecture) -> float:
    return float(sum(arch))


@pytest.fixture
def batch(domains: Domains) -> Batch:
    return Batch(domains.source.images[:8], domains.source.labels[:8], domains.target[:8])


@pytest.fixture
def subnets(bank: ModelBank) -> list[Architecture]:
    return [bank.space.full, bank.space.smallest, bank.space.uniform(0.5)]


def moved(bank: ModelBank) -> set[str]:
    """Which of Cs, Ct, Ca and F have a gradient that is not zero."""
    parts = {"Cs": bank.heads.source, "Ct": bank.heads.target, "Ca": bank.heads.adapted, "F": bank.backbone}
    return {
        name
        for name, part in parts.items()
        if any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in part.parameters())
    }


def gradients(bank: ModelBank) -> list[Tensor]:
    found = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in bank.parameters()]
    bank.zero_grad()
    return found


def backward(losses: Iterator[Tensor]) -> None:
    for loss in losses:
        loss.backward()  # type: ignore[no-untyped-call]


def settings(method: Method, **values: object) -> AdaptationSettings:
    return AdaptationSettings.model_validate({"method": method, **values})


def test_symnet_moves_features_and_both_confusion_heads_but_not_the_third(bank: ModelBank, batch: Batch) -> None:
    symnet_loss(bank, extract(bank.features, bank.space.smallest, batch), batch.labels, 1.0).backward()  # type: ignore[no-untyped-call]
    assert moved(bank) == {"F", "Cs", "Ct"}


def test_heads_learn_the_same_whatever_the_features_minimise(bank: ModelBank, batch: Batch) -> None:
    """L_dc^F sees the heads' weights detached: its weight lambda changes the features' gradient alone."""
    by_weight = []
    for weight in (0.0, 1.0):
        symnet_loss(bank, extract(bank.features, bank.space.full, batch), batch.labels, weight).backward()  # type: ignore[no-untyped-call]
        heads = [
            p.grad.clone() for h in (bank.heads.source, bank.heads.target) for p in h.parameters() if p.grad is not None
        ]
        stem = stem_of(bank).weight.grad
        assert stem is not None
        by_weight.append((heads, stem.clone()))
        bank.zero_grad()
    for one, other in zip(by_weight[0][0], by_weight[1][0], strict=True):
        torch.testing.assert_close(one, other)
    assert not torch.allclose(by_weight[0][1], by_weight[1][1])


def test_the_entropy_s_weight_scales_its_loss_alone(bank: ModelBank, batch: Batch) -> None:
    features = extract(bank.features, bank.space.full, batch)
    whole, half, none = (symnet_loss(bank, features, batch.labels, 0.8, weight) for weight in (1.0, 0.5, 0.0))
    heads = (bank.heads.source, bank.heads.target)
    expected = 0.8 * entropy_loss(*(head(features.target) for head in heads))
    torch.testing.assert_close(whole - none, expected)
    torch.testing.assert_close(half - none, 0.5 * expected)


@pytest.mark.parametrize(
    ("method", "expected"), [("slimda", {"F", "Ca"}), ("seed", {"F", "Cs", "Ct"}), ("distill", {"F", "Cs", "Ct"})]
)
def test_knowledge_moves_only_the_heads_that_receive_it(
    bank: ModelBank, batch: Batch, method: Method, expected: set[str]
) -> None:
    knowledge = torch.full((8, 3), 1 / 3)
    features = extract(bank.features, bank.space.full, batch)
    received_loss(bank, features, knowledge, settings(method)).backward()  # type: ignore[no-untyped-call]
    assert moved(bank) == expected


def test_in_slimda_the_ensemble_never_reaches_the_confusion_heads(
    bank: ModelBank, batch: Batch, subnets: list[Architecture]
) -> None:
    """Cs and Ct get the same gradient from slimda as from symnet, at any weight and temperature."""
    backward(adaptation_losses(bank, subnets, batch, settings("symnet"), 0.8, capacity))
    heads = [*bank.heads.source.parameters(), *bank.heads.target.parameters()]
    plain = [p.grad.clone() for p in heads if p.grad is not None]
    bank.zero_grad()
    backward(adaptation_losses(bank, subnets, batch, settings("slimda", temperature=0.25), 0.8, capacity))
    for expected, parameter in zip(plain, heads, strict=True):
        torch.testing.assert_close(parameter.grad, expected)


def test_the_third_head_sees_source_labels_only_where_the_switch_is_on(bank: ModelBank, batch: Batch) -> None:
    def third_head(on: bool) -> Tensor:
        chosen = settings("slimda", adapted_head_on_source=on)
        backward(adaptation_losses(bank, [bank.space.full], batch, chosen, 0.0, capacity))
        grad = bank.heads.adapted.weight.grad
        found = torch.zeros(1) if grad is None else grad.clone()
        bank.zero_grad()
        return found

    assert third_head(on=False).abs().sum() == 0
    assert third_head(on=True).abs().sum() > 0


@pytest.mark.parametrize("method", ["symnet", "distill", "seed", "slimda"])
def test_one_subnet_at_a_time_gives_the_gradients_of_keeping_all_graphs(
    bank: ModelBank, batch: Batch, subnets: list[Architecture], method: Method
) -> None:
    found = []
    for keep in (True, False):
        backward(adaptation_losses(bank, subnets, batch, settings(method, keep_graphs=keep), 0.5, capacity))
        found.append(gradients(bank))
    for kept, recomputed in zip(*found, strict=True):
        torch.testing.assert_close(kept, recomputed, rtol=1e-4, atol=1e-6)


def test_distillation_teaches_what_the_largest_subnet_believes(bank: ModelBank, subnets: list[Architecture]) -> None:
    beliefs = torch.rand(3, 8, 3).softmax(dim=2)
    assert torch.equal(teach(beliefs, subnets, settings("distill"), capacity), beliefs[0])


def test_the_largest_alone_may_teach_slimda_sharpened_by_the_temperature(
    bank: ModelBank, subnets: list[Architecture]
) -> None:
    beliefs = torch.rand(3, 8, 3).softmax(dim=2)
    plain, sharp = (
        teach(beliefs, subnets, settings("slimda", teacher="largest", temperature=t), capacity) for t in (1.0, 0.5)
    )
    torch.testing.assert_close(plain, beliefs[0])
    assert (sharp.max(dim=1).values > plain.max(dim=1).values).all()


def test_where_all_heads_are_taught_the_features_are_moved_as_before(bank: ModelBank, batch: Batch) -> None:
    knowledge = torch.eye(3)[torch.arange(8) % 3]
    found = {}
    for taught in ("adapted", "all"):
        features = extract(bank.features, bank.space.full, batch)
        received_loss(bank, features, knowledge, settings("slimda", taught_heads=taught)).backward()  # type: ignore[no-untyped-call]
        stem = next(bank.backbone.parameters()).grad
        assert stem is not None
        found[taught] = (moved(bank), stem.clone())
        bank.zero_grad()
    assert found["adapted"][0] == {"F", "Ca"}
    assert found["all"][0] == {"F", "Cs", "Ct", "Ca"}
    torch.testing.assert_close(found["adapted"][1], found["all"][1])


@pytest.mark.parametrize(
    ("moving", "expected"), [("adapted", {"F", "Ca"}), ("confusion", {"F", "Ca"}), ("none", {"Ca"})]
)
def test_knowledge_moves_the_features_through_the_heads_that_are_chosen(
    bank: ModelBank, batch: Batch, moving: str, expected: set[str]
) -> None:
    knowledge = torch.eye(3)[torch.arange(8) % 3]
    features = extract(bank.features, bank.space.full, batch)
    received_loss(bank, features, knowledge, settings("slimda", moving_heads=moving)).backward()  # type: ignore[no-untyped-call]
    assert moved(bank) == expected


def test_moved_through_cs_and_ct_the_features_go_where_they_go_in_seed(bank: ModelBank, batch: Batch) -> None:
    """In `seed` the heads learn too; the features' gradient is the same."""
    knowledge = torch.eye(3)[torch.arange(8) % 3]
    stems = []
    for chosen in (settings("seed"), settings("slimda", moving_heads="confusion")):
        features = extract(bank.features, bank.space.full, batch)
        received_loss(bank, features, knowledge, chosen).backward()  # type: ignore[no-untyped-call]
        stem = stem_of(bank).weight.grad
        assert stem is not None
        stems.append(stem.clone())
        bank.zero_grad()
    torch.testing.assert_close(*stems)


def test_a_third_head_that_moves_no_features_leaves_symnet_s(
    bank: ModelBank, batch: Batch, subnets: list[Architecture]
) -> None:
    """Source labels included: all but Ca gets SymNet's gradients."""
    backward(adaptation_losses(bank, subnets, batch, settings("symnet"), 0.8, capacity))
    symnet = gradients(bank)
    backward(adaptation_losses(bank, subnets, batch, settings("slimda", moving_heads="none"), 0.8, capacity))
    ours = gradients(bank)
    third = {id(p) for p in bank.heads.adapted.parameters()}
    for parameter, one, other in zip(bank.parameters(), ours, symnet, strict=True):
        if id(parameter) not in third:
            torch.testing.assert_close(one, other)


def test_the_third_head_has_a_say_in_the_knowledge_only_where_all_heads_know(
    bank: ModelBank, batch: Batch, subnets: list[Architecture]
) -> None:
    def gradient(knowing: str, shift: float) -> Tensor:
        with torch.no_grad():
            bank.heads.adapted.bias[0] += shift
        chosen = settings("seed", knowing_heads=knowing)
        backward(adaptation_losses(bank, subnets, batch, chosen, 1.0, capacity))
        with torch.no_grad():
            bank.heads.adapted.bias[0] -= shift
        return torch.cat([gradient.flatten() for gradient in gradients(bank)])

    torch.testing.assert_close(gradient("confusion", 0.0), gradient("confusion", 5.0))
    assert not torch.allclose(gradient("all", 0.0), gradient("all", 5.0))


def test_the_knowledges_weight_scales_its_loss_and_ramps_only_where_asked(
    bank: ModelBank, batch: Batch, subnets: list[Architecture]
) -> None:
    def third_head(weight: float, **values: object) -> Tensor:
        chosen = settings("slimda", adapted_head_on_source=False, **values)
        backward(adaptation_losses(bank, subnets, batch, chosen, weight, capacity))
        grad = bank.heads.adapted.weight.grad
        assert grad is not None
        found = grad.clone()
        bank.zero_grad()
        return found

    torch.testing.assert_close(third_head(0.5, knowledge_weight=2.0), 2 * third_head(0.5))
    torch.testing.assert_close(third_head(0.5), 0.5 * third_head(1.0))
    torch.testing.assert_close(third_head(0.5, knowledge_ramp=False), third_head(1.0))


def test_in_distillation_the_largest_subnet_learns_as_in_symnet(bank: ModelBank, batch: Batch) -> None:
    found = []
    for method in ("symnet", "distill"):
        backward(adaptation_losses(bank, [bank.space.full], batch, settings(method), 1.0, capacity))
        found.append(gradients(bank))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("confidence", ["uniform", "capacity", "entropy"])
def test_every_confidence_rule_gives_probabilities_that_differ_from_one_subnets_own(
    subnets: list[Architecture], confidence: str
) -> None:
    beliefs = torch.randn(3, 8, 3, generator=torch.Generator().manual_seed(1)).softmax(dim=2)
    knowledge = teach(beliefs, subnets, settings("seed", confidence=confidence), capacity)
    torch.testing.assert_close(knowledge.sum(dim=1), torch.ones(8))
    assert not torch.allclose(knowledge, beliefs[0])


def test_source_losses_move_everything(bank: ModelBank, batch: Batch) -> None:
    backward(source_losses(bank, [bank.space.full], batch))
    assert moved(bank) == {"F", "Cs", "Ct", "Ca"}


def test_ramp_starts_at_zero_and_ends_near_one() -> None:
    assert ramp(0.0) == 0.0
    assert ramp(0.5) == pytest.approx(2 / (1 + 2.718281828459045**-5) - 1)
    assert 0.999 < ramp(1.0) < 1.0


def test_in_place_distillation_teaches_all_but_the_largest_what_the_largest_predicts(
    bank: ModelBank, batch: Batch, subnets: list[Architecture]
) -> None:
    wrong = Batch(batch.source, (batch.labels + 1) % 3, batch.target)
    found = []
    for labelled in (batch, wrong):
        largest, *others = source_losses(bank, subnets, labelled, inplace_distillation=True)
        found.append((largest.item(), [loss.item() for loss in others]))
    (right_loss, right_others), (wrong_loss, wrong_others) = found
    assert right_loss != wrong_loss
    assert right_others == wrong_others
    own = bank(batch.source, bank.space.full)
    taught = sum(torch.special.entr(z.softmax(1)).sum(1).mean().item() for z in own)
    assert min(right_others) >= taught  # cross-entropy is at least the teacher's entropy


def test_the_largest_subnets_predictions_are_not_moved_by_those_it_teaches(
    bank: ModelBank, batch: Batch, subnets: list[Architecture]
) -> None:
    head = bank.heads.source.bias
    losses = source_losses(bank, [subnets[0], subnets[0]], batch, inplace_distillation=True)
    next(losses)
    next(losses).backward()  # type: ignore[no-untyped-call]
    assert head.grad is not None
    assert head.grad.abs().max() < 1e-6  # it already predicts what it is taught
