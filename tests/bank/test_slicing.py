"""What runs in a subnet, against constructions that slice nothing.

In float64, because deep batch-normalised networks magnify float32's rounding beyond any telling tolerance.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.bank import ModelBank, Normalisation, SlimmableResNet, Statistics
from harness.space import Architecture
from tests.bank.factory import images_for, lived_in_bank


def masked_logits(bank: ModelBank, images: Tensor, arch: Architecture, statistics: Statistics) -> Tensor:
    """Return the subnet's logits from the *full-width* network, silencing channels after every batch-norm.

    Zeroed channels feed nothing onward, so the channels left compute what the subnet computes.
    """
    state = bank.torchvision_state_dict()
    assert isinstance(bank.backbone, SlimmableResNet)
    config = bank.backbone.config
    stages = len(config.planes)
    outputs, inner = arch[1 : 1 + stages], iter(arch[1 + stages :])

    def layer(x: Tensor, conv: str, norm: str, width: int, stride: int, padding: int) -> Tensor:
        y = F.conv2d(x, state[f"{conv}.weight"], stride=stride, padding=padding)
        mean, variance = (F.pad(value, (0, y.shape[1] - width), value=1.0) for value in statistics[norm])
        y = F.batch_norm(y, mean, variance, state[f"{norm}.weight"], state[f"{norm}.bias"])
        mask = torch.arange(y.shape[1]) < width
        return y * mask[:, None, None]

    stem = bank.backbone.conv1
    x = layer(images, "conv1", "bn1", arch[0], int(stem.stride[0]), stem.kernel_size[0] // 2).relu()
    x = bank.backbone.maxpool(x)
    for i, (out, blocks) in enumerate(zip(outputs, config.blocks, strict=True), 1):
        for b in range(blocks):
            name = f"layer{i}.{b}"
            stride = 2 if b == 0 and i > 1 else 1
            if config.bottleneck:
                y = layer(x, f"{name}.conv1", f"{name}.bn1", next(inner), 1, 0).relu()
                y = layer(y, f"{name}.conv2", f"{name}.bn2", next(inner), stride, 1).relu()
                y = layer(y, f"{name}.conv3", f"{name}.bn3", out, 1, 0)
            else:
                y = layer(x, f"{name}.conv1", f"{name}.bn1", next(inner), stride, 1).relu()
                y = layer(y, f"{name}.conv2", f"{name}.bn2", out, 1, 1)
            if f"{name}.downsample.0.weight" in state:
                x = layer(x, f"{name}.downsample.0", f"{name}.downsample.1", out, stride, 0)
            x = (x + y).relu()
    return F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])


@pytest.fixture(params=["resnet8", "resnet18", "resnet50"])
def bank(request: pytest.FixtureRequest) -> ModelBank:
    return lived_in_bank(request.param).double()


def test_a_subnet_computes_what_the_full_network_does_with_its_other_channels_silenced(bank: ModelBank) -> None:
    rng = np.random.default_rng(0)
    images = images_for(bank, 16).double()
    for arch in [bank.space.smallest, bank.space.sample(rng), bank.space.sample(rng)]:
        statistics = bank.reestimate(images, arch)
        with torch.no_grad():
            found, expected = bank.logits(images, arch, statistics), masked_logits(bank, images, arch, statistics)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_gradients_reach_the_channels_that_run_and_no_others() -> None:
    bank = lived_in_bank("resnet8")
    arch = bank.space.uniform(0.5)
    bank.logits(images_for(bank, 4), arch).square().sum().backward()  # type: ignore[no-untyped-call]
    for layer in bank.layers():
        inputs, outputs = layer.widths(arch)
        gradient = layer.module.weight.grad
        assert gradient is not None
        assert gradient[:outputs, :inputs].abs().sum() > 0
        assert gradient[outputs:].abs().sum() == 0
        assert gradient[:, inputs:].abs().sum() == 0
    assert bank.heads.source.weight.grad is None


def test_reestimation_is_the_pooled_mean_and_biased_variance_layer_by_layer(bank: ModelBank) -> None:
    """Naively: hook every layer's inputs over chunks of the images, layer by layer, those before it already fixed."""
    arch = bank.space.sample(np.random.default_rng(1))
    images = images_for(bank, 24).double()
    cut = bank.cut(arch, bank.neutral_statistics(arch))
    norms = [module for module in cut.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        arrived: list[Tensor] = []
        handle = norm.register_forward_pre_hook(lambda _, inputs, arrived=arrived: arrived.append(inputs[0].clone()))
        with torch.no_grad():
            for chunk in torch.split(images, 7):
                cut(chunk)
        handle.remove()
        values = torch.cat(arrived).transpose(0, 1).flatten(1)
        norm.running_mean = values.sum(1) / values.shape[1]
        norm.running_var = (values - norm.running_mean[:, None]).square().sum(1) / values.shape[1]
    found = bank.reestimate(images, arch)
    assert list(found) == [layer.norm.name for layer in bank.layers() if layer.norm is not None]
    for norm, (mean, variance) in zip(norms, found.values(), strict=True):
        torch.testing.assert_close(mean, norm.running_mean, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(variance, norm.running_var, rtol=1e-9, atol=1e-9)


def test_one_pass_gives_the_outputs_of_a_second_pass_with_its_statistics(bank: ModelBank) -> None:
    arch = bank.space.sample(np.random.default_rng(2))
    images = images_for(bank, 16).double()
    statistics, outputs = bank.reestimate_and_forward(images, arch)
    with torch.no_grad():
        again = bank(images, arch, statistics)
    torch.testing.assert_close(tuple(outputs), tuple(again), rtol=1e-9, atol=1e-9)


def test_reestimation_leaves_the_bank_and_its_buffers_alone(bank: ModelBank) -> None:
    before = {name: value.clone() for name, value in bank.state_dict().items()}
    statistics = bank.reestimate(images_for(bank, 4).double(), bank.space.uniform(0.5))
    assert all(torch.equal(value, before[name]) for name, value in bank.state_dict().items())
    assert not any(value.requires_grad for pair in statistics.values() for value in pair)


def test_statistics_of_a_batch_are_used_where_none_are_given() -> None:
    bank = lived_in_bank("resnet8")
    images, arch = images_for(bank, 8), bank.space.uniform(0.5)
    recorded: Statistics = {}
    with torch.no_grad():
        plain = bank.features(images, arch)
        noted = bank.features(images, arch, Normalisation(recorded=recorded))
    torch.testing.assert_close(plain, noted)
    assert recorded.keys() == bank.neutral_statistics(arch).keys()
