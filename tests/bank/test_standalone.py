"""Networks trained apart behind a bank's interface."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch

from harness.bank import BankError, ModelBank, StandaloneBank, create_standalone_bank, load_bank, save_bank
from tests.bank.factory import images_for, lived_in_bank


@pytest.fixture
def start() -> ModelBank:
    return lived_in_bank("resnet8")


@pytest.fixture
def apart(start: ModelBank) -> StandaloneBank:
    """Three networks, no two alike."""
    space = start.space
    bank = create_standalone_bank(start, [space.uniform(0.5), space.smallest])
    for seed, arch in enumerate(bank.archs):
        bank.weights_of(arch).load_state_dict(lived_in_bank("resnet8", seed=seed).state_dict())
    return bank


def test_all_networks_start_from_the_same_weights(start: ModelBank) -> None:
    bank = create_standalone_bank(start, [start.space.smallest])
    images = images_for(start, 4)
    for arch in bank.archs:
        assert torch.equal(bank.logits(images, arch), start.logits(images, arch))


def test_every_architecture_runs_on_its_own_weights(apart: StandaloneBank) -> None:
    images = images_for(apart, 6)
    for seed, arch in enumerate(apart.archs):
        own = lived_in_bank("resnet8", seed=seed)
        statistics = apart.reestimate(images, arch)
        expected = own.reestimate(images, arch)
        assert all(torch.equal(statistics[name][0], expected[name][0]) for name in expected)
        assert torch.equal(apart.logits(images, arch, statistics), own.logits(images, arch, expected))
        assert (
            apart.weights_of(arch).cut(arch, statistics)(images).allclose(own.logits(images, arch, expected), atol=1e-4)
        )


def test_its_own_parameters_are_the_full_network_s_alone(apart: StandaloneBank, start: ModelBank) -> None:
    assert apart.state_dict().keys() == start.state_dict().keys()


def test_a_width_that_was_not_trained_is_refused(apart: StandaloneBank) -> None:
    other = apart.space.uniform(0.7)
    assert not apart.offers(other)
    assert apart.offers(apart.space.smallest)
    for use in (apart.weights_of, partial(apart.logits, images_for(apart, 2))):
        with pytest.raises(ValueError, match="no network was trained for"):
            use(other)


def test_survives_saving_and_loading(apart: StandaloneBank, tmp_path: Path) -> None:
    save_bank(apart, tmp_path, {})
    loaded, _ = load_bank(tmp_path)
    assert isinstance(loaded, StandaloneBank)
    assert loaded.archs == apart.archs
    images = images_for(apart, 3)
    for arch in apart.archs:
        assert torch.equal(loaded.logits(images, arch), apart.logits(images, arch))


def test_a_description_of_other_networks_than_the_weights_is_refused(apart: StandaloneBank, tmp_path: Path) -> None:
    save_bank(apart, tmp_path, {})
    path = tmp_path / "bank.json"
    description = json.loads(path.read_text())
    for widths, words in ((description["standalone"][:2], "do not fit resnet8"), (["1-2"], "not a bank description")):
        path.write_text(json.dumps({**description, "standalone": widths}))
        with pytest.raises(BankError, match=words):
            load_bank(tmp_path)
