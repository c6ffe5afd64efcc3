"""A cut subnet is the bank's own, without the bank."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from harness.bank import MODELS, Head, ModelBank, create_bank
from tests.bank.factory import images_for, lived_in_bank, stored_statistics

seeds = st.integers(0, 2**32 - 1)


@cache
def bank_of(model: str) -> ModelBank:
    return lived_in_bank(model)


def assert_cut_equals_bank(bank: ModelBank, seed: int) -> None:
    arch = bank.space.sample(np.random.default_rng(seed))
    images = images_for(bank, 4, seed)
    statistics = bank.reestimate(images_for(bank, 8, seed + 1), arch)
    with torch.no_grad():
        torch.testing.assert_close(
            bank.cut(arch, statistics)(images), bank.logits(images, arch, statistics), rtol=1e-5, atol=1e-5
        )


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_cuts_of_the_small_resnet_equal_the_bank(seed: int) -> None:
    assert_cut_equals_bank(bank_of("resnet8"), seed)


@pytest.mark.parametrize("model", ["resnet18", "resnet34", "resnet50", "mobilenet_v2"])
@given(seeds)
@settings(max_examples=5, deadline=None)
def test_cuts_of_the_large_networks_equal_the_bank(model: str, seed: int) -> None:
    assert_cut_equals_bank(bank_of(model), seed)


@pytest.mark.parametrize("head", ["source", "target", "adapted"])
def test_the_head_that_is_deployed_is_the_one_that_is_cut(head: Head) -> None:
    bank = create_bank("resnet8", ["a", "b", "c"], (1, 16, 16), head=head)
    images, arch = images_for(bank, 4), bank.space.uniform(0.5)
    statistics, outputs = bank.reestimate_and_forward(images, arch)
    with torch.no_grad():
        found = bank.cut(arch, statistics)(images)
    torch.testing.assert_close(found, getattr(outputs, head), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_a_cut_is_made_of_plain_modules_in_evaluation_mode(model: str) -> None:
    bank = bank_of(model)
    arch = bank.space.smallest
    cut = bank.cut(arch, bank.neutral_statistics(arch))
    for module in cut.modules():
        assert type(module).__module__.startswith("torch.nn.") or type(module).__module__ == "harness.bank.plain"
        assert not module.training


@pytest.mark.parametrize("model", MODELS)
def test_names_in_a_cut_are_the_same_for_every_architecture(model: str) -> None:
    bank = bank_of(model)
    small, large = bank.space.smallest, bank.space.uniform(0.6)
    names = [list(bank.cut(arch, bank.neutral_statistics(arch)).state_dict()) for arch in (small, large)]
    assert names[0] == names[1]


@pytest.mark.parametrize("model", MODELS)
def test_the_layers_of_a_bank_are_those_of_its_cuts_in_shape_and_order(model: str) -> None:
    bank = bank_of(model)
    arch = bank.space.sample(np.random.default_rng(4))
    cut = bank.cut(arch, bank.neutral_statistics(arch))
    shapes = {
        name: (module.weight.shape[1] * getattr(module, "groups", 1), module.weight.shape[0])
        for name, module in cut.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }
    assert {layer.name: layer.widths(arch) for layer in bank.layers()} == shapes
    assert [layer.name for layer in bank.layers()] == list(shapes)


def test_a_cut_shares_no_memory_with_the_bank_even_at_full_width() -> None:
    bank = bank_of("resnet8")
    statistics = stored_statistics(bank)
    cut = bank.cut(bank.space.full, statistics)
    bank_memory = {tensor.untyped_storage().data_ptr() for tensor in bank.state_dict().values()}
    cut_memory = {tensor.untyped_storage().data_ptr() for tensor in cut.state_dict().values()}
    assert not bank_memory & cut_memory
    before = {name: value.clone() for name, value in bank.state_dict().items()}
    with torch.no_grad():
        for parameter in cut.parameters():
            parameter.zero_()
        cut.train()(images_for(bank, 4))
    assert all(torch.equal(value, before[name]) for name, value in bank.state_dict().items())


def test_a_cut_has_the_bank_s_number_type() -> None:
    bank = lived_in_bank("resnet8").double()
    arch = bank.space.uniform(0.5)
    images = images_for(bank, 8).double()
    statistics, outputs = bank.reestimate_and_forward(images, arch)
    with torch.no_grad():
        found = bank.cut(arch, statistics)(images)
    torch.testing.assert_close(found, outputs.adapted, rtol=1e-12, atol=1e-12)


def test_an_architecture_outside_the_space_is_not_cut() -> None:
    bank = bank_of("resnet8")
    arch = bank.space.full
    with pytest.raises(ValueError, match="cannot have"):
        bank.cut((*arch[:-1], arch[-1] + 2), bank.neutral_statistics(arch))
