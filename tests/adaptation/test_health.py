"""A failed bank is noticed without a target label, and said in words."""

import pytest
import torch

from harness.adaptation import AdaptationDiverged, AdaptationSettings, check_health, examine, health
from harness.adaptation.training import train
from harness.bank import Architecture, ModelBank, create_bank
from harness.data import Domains, LabelledImages, Preprocessing


def capacity(arch: Architecture) -> float:
    return float(sum(arch))


def adapted(domains: Domains, **values: object) -> ModelBank:
    settings = AdaptationSettings.model_validate(
        {"source_iterations": 25, "adaptation_iterations": 15, "batch_size": 24, "model_batch": 3, **values}
    )
    bank = create_bank("resnet8", domains.classes, (1, 16, 16), seed=0)
    train(bank, domains, settings, capacity=capacity)
    return bank


def test_a_good_bank_has_nothing_to_complain_of(domains: Domains) -> None:
    assert check_health(adapted(domains), domains) == []


def test_a_training_torn_apart_by_its_learning_rate_is_noticed(domains: Domains) -> None:
    with pytest.raises(AdaptationDiverged, match="try a learning rate below"):
        adapted(domains, learning_rate=1e30)


def test_a_bank_that_names_one_class_only_is_unusable_and_the_reason_is_in_words(domains: Domains) -> None:
    bank = adapted(domains)
    bank.heads.adapted.bias.data[1] += 1000.0
    with pytest.raises(AdaptationDiverged, match="left nothing usable"):
        check_health(bank, domains)
    health = examine(bank, bank.space.full, domains)
    assert health.lost_classes == ("a", "c")
    assert not health.usable


def test_a_doubtful_bank_is_warned_about_with_the_class_by_name(domains: Domains) -> None:
    bank = adapted(domains)
    bank.heads.adapted.bias.data[2] -= 1000.0
    warnings = check_health(bank, domains)
    assert any("hardly ever predicts c" in warning for warning in warnings)


def test_of_many_classes_and_few_images_a_bank_that_is_always_right_has_nothing_to_complain_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """668 images cannot show 1,000 classes as often as they are: by so much, right answers differ too."""
    names = tuple(map(str, range(1000)))
    generator = torch.Generator().manual_seed(0)
    painted = torch.randint(1000, (668,), generator=generator)
    source = torch.arange(1000).repeat(3)
    bank = create_bank("resnet8", names, (1, 16, 16), seed=0)

    def painted_class(images: torch.Tensor, arch: Architecture) -> torch.Tensor:
        return torch.nn.functional.one_hot(images[:, 0, 0, 0].long(), 1000).float()

    def one_class(images: torch.Tensor, arch: Architecture) -> torch.Tensor:
        return 0 * painted_class(images, arch)

    monkeypatch.setattr(bank, "logits", painted_class)
    domains = Domains(
        name="painted",
        classes=names,
        preprocessing=Preprocessing(size=(16, 16), channels=1, mean=(0.0,), std=(1.0,)),
        source=LabelledImages(source.float()[:, None, None, None].expand(-1, 1, 16, 16), source),
        source_check=LabelledImages(painted.float()[:, None, None, None].expand(-1, 1, 16, 16), painted),
        target=painted.float()[:, None, None, None].expand(-1, 1, 16, 16),
    )
    assert check_health(bank, domains) == []
    monkeypatch.setattr(bank, "logits", one_class)
    assert examine(bank, bank.space.full, domains).distance_from_prior > health.UNUSABLE


def test_more_held_out_images_than_one_pass_holds_are_seen_in_part(
    domains: Domains, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third one, not the first third, which is of few classes."""
    monkeypatch.setattr("harness.data.domains.CALIBRATION_PIXELS", 64 * 256)
    check = domains.source_check
    many = LabelledImages(check.images[:].repeat(3, 1, 1, 1), check.labels.repeat(3).sort().values)
    seen = many.in_one_pass()
    assert len(seen) == 60
    assert set(seen.labels.tolist()) == {0, 1, 2}
    assert len(check.in_one_pass()) == len(check)


def test_outputs_that_are_not_finite_are_named(domains: Domains) -> None:
    bank = adapted(domains)
    bank.heads.adapted.weight.data[0, 0] = float("inf")
    with pytest.raises(AdaptationDiverged, match="not finite"):
        check_health(bank, domains)
