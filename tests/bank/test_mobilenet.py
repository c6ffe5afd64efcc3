"""The slimmable MobileNetV2: what runs in a subnet, against the full network with channels silenced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import MobileNetV2

from harness.bank import BankError, ModelBank, Statistics, create_bank, start_from
from harness.space import Architecture
from tests.bank.factory import images_for, lived_in_bank


@pytest.fixture
def bank() -> ModelBank:
    return lived_in_bank("mobilenet_v2").double()


def masked_logits(bank: ModelBank, images: Tensor, arch: Architecture, statistics: Statistics) -> Tensor:
    """Return the subnet's logits from torchvision's own network, silencing channels after every batch-norm."""
    network = MobileNetV2(num_classes=len(bank.spec.classes)).double().eval()
    network.load_state_dict(bank.torchvision_state_dict())

    def silencing(module: nn.BatchNorm2d, name: str) -> None:
        mean, variance = statistics[name]
        width = len(mean)
        module.running_mean, module.running_var = (
            F.pad(value, (0, module.num_features - width), value=1.0) for value in (mean, variance)
        )
        mask = (torch.arange(module.num_features) < width)[:, None, None]
        module.register_forward_hook(lambda _, __, output: output * mask)

    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            silencing(module, name)
    with torch.no_grad():
        logits: Tensor = network(images)
    return logits


def test_a_subnet_computes_what_torchvision_s_network_does_with_its_other_channels_silenced(bank: ModelBank) -> None:
    rng = np.random.default_rng(0)
    images = images_for(bank, 8).double()
    for arch in [bank.space.smallest, bank.space.sample(rng), bank.space.sample(rng)]:
        statistics = bank.reestimate(images, arch)
        with torch.no_grad():
            found = bank.logits(images, arch, statistics)
        torch.testing.assert_close(found, masked_logits(bank, images, arch, statistics), rtol=1e-9, atol=1e-9)


def test_depthwise_widths_follow_the_expansion_and_a_stage_has_one_width(bank: ModelBank) -> None:
    arch = bank.space.sample(np.random.default_rng(3))
    layers = {layer.name: layer.widths(arch) for layer in bank.layers()}
    for layer in bank.layers():
        if layer.depthwise:
            assert layer.widths(arch) == (layers[layer.name.replace("depthwise", "project")][0],) * 2
    assert {layers[name][1] for name in layers if name.startswith("stage4") and "project" in name} == {arch[4]}
    assert len(bank.space.slots) == 1 + 7 + 1 + 16
    assert all(slot.tied_to is None for slot in bank.space.slots)


def test_gradients_reach_the_channels_that_run_and_no_others() -> None:
    bank = lived_in_bank("mobilenet_v2")
    arch = bank.space.uniform(0.5)
    bank.logits(images_for(bank, 4), arch).square().sum().backward()  # type: ignore[no-untyped-call]
    for layer in bank.layers():
        gradient = layer.module.weight.grad
        assert gradient is not None
        inputs, outputs = layer.widths(arch)
        assert gradient[:outputs].abs().sum() > 0
        assert gradient[outputs:].abs().sum() == 0
        assert layer.depthwise or gradient[:, inputs:].abs().sum() == 0


def test_weights_of_a_residual_network_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(create_bank("resnet18", ["a", "b"], (3, 32, 32)).torchvision_state_dict(), path)
    with pytest.raises(BankError, match=r"torchvision's mobilenet_v2: features\.0\.0\.weight is missing.*resnet18"):
        start_from(create_bank("mobilenet_v2", ["a", "b"], (3, 32, 32)), str(path))
