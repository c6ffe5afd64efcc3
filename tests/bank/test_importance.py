"""Sorting channels: the same function at full width, a better one in what is cut."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness.bank import ModelBank, create_bank
from harness.bank.importance import sort_channels
from tests.bank.factory import images_for, lived_in_bank, stored_statistics
from tests.bank.test_torchvision import images, torchvision_network


@pytest.mark.parametrize("model", ["resnet18", "resnet50", "mobilenet_v2"])
def test_sorting_leaves_what_torchvision_s_network_computes_at_full_width(model: str) -> None:
    network = torchvision_network(model)
    bank = create_bank(model, list("abcdefg"), (3, 64, 64))
    bank.load_torchvision(network.state_dict())
    before = {name: value.clone() for name, value in bank.backbone.named_parameters()}
    sort_channels(bank)
    assert not any(torch.equal(value, before[name]) for name, value in bank.backbone.named_parameters())
    with torch.no_grad():
        expected = network(images())
        for logits in bank(images(), bank.space.full, stored_statistics(bank)):
            torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("model", ["resnet8", "resnet34", "mobilenet_v2"])
def test_sorting_leaves_what_every_head_says(model: str) -> None:
    bank = lived_in_bank(model).double()
    some = images_for(bank, 4).double()
    with torch.no_grad():
        before = bank(some, bank.space.full)
        sort_channels(bank)
        for found, expected in zip(bank(some, bank.space.full), before, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_sorting_is_done_once() -> None:
    bank = lived_in_bank("resnet18")
    sort_channels(bank)
    before = {name: value.clone() for name, value in bank.state_dict().items()}
    sort_channels(bank)
    assert all(torch.equal(value, before[name]) for name, value in bank.state_dict().items())


def test_a_scale_may_stand_before_or_after_the_relu() -> None:
    """relu(2 x) / 2 = relu(x): the order must not depend on where a network keeps a channel's scale."""
    first, second = lived_in_bank("resnet8"), lived_in_bank("resnet8")
    with torch.no_grad():
        block = second.backbone.get_submodule("layer2.0")
        scale = torch.rand(80, generator=torch.Generator().manual_seed(0)) + 0.1
        block.get_parameter("bn1.weight").mul_(scale)
        block.get_parameter("bn1.bias").mul_(scale)
        block.get_parameter("conv2.weight").div_(scale[:, None, None])
    some = images_for(first, 8)
    for bank in (first, second):
        sort_channels(bank)
    arch = first.space.uniform(0.5)
    torch.testing.assert_close(second.logits(some, arch), first.logits(some, arch), rtol=1e-3, atol=1e-4)


def planted(model: str) -> tuple[ModelBank, Tensor]:
    """Return a bank in which half of every width's channels are nearly silent, at random places, and images."""
    bank = lived_in_bank(model)
    generator = torch.Generator().manual_seed(5)
    slots = bank.space.slots
    silent = {
        slot: torch.randperm(slots[slot].full, generator=generator)[: slots[slot].full // 2] for slot in bank.space.free
    }
    with torch.no_grad():
        for layer in bank.layers():
            if layer.norm is not None and layer.outputs is not None:
                tied = slots[layer.outputs].tied_to
                channels = silent[layer.outputs if tied is None else tied]
                layer.norm.weight[channels] *= 1e-6
                layer.norm.bias[channels] *= 1e-6
    return bank, images_for(bank, 16)


def change(bank: ModelBank, images: Tensor) -> float:
    """Return how far half-width predictions are from full-width ones."""
    with torch.no_grad():
        half, full = (bank.logits(images, bank.space.uniform(ratio)) for ratio in (0.5, 1.0))
    return float((half - full).norm() / full.norm())


@pytest.mark.parametrize("model", ["resnet8", "resnet18", "resnet50", "mobilenet_v2"])
def test_a_slice_of_sorted_channels_keeps_what_matters(model: str) -> None:
    bank, some = planted(model)
    unsorted = change(bank, some)
    sort_channels(bank)
    assert change(bank, some) < 0.05 < 0.3 < unsorted


def test_channels_that_a_sum_ties_go_together() -> None:
    """The identity shortcut of a stage adds channel to channel, so one order holds for all that write it."""
    bank = lived_in_bank("resnet18")
    backbone = bank.backbone
    marks = torch.arange(64.0) + 1
    with torch.no_grad():
        for norm in (
            backbone.bn1,
            *(block.get_submodule("bn2") for block in backbone.get_submodule("layer1").children()),
        ):
            norm.bias.copy_(marks)  # type: ignore[union-attr, operator]
    sort_channels(bank)
    orders = [backbone.get_submodule(name).bias for name in ("bn1", "layer1.0.bn2", "layer1.1.bn2")]
    assert all(torch.equal(order, orders[0]) for order in orders)  # type: ignore[arg-type]
    assert not torch.equal(orders[0], marks)  # type: ignore[arg-type]
