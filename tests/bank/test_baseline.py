"""Torchvision's networks behind a bank's interface: the same function, told which statistics to use, and kept whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from harness.bank import Baseline, BaselineError, BaselineNetwork, create_baseline, load_baseline, save_baseline

SMALL = "shufflenet_v2_x0_5"
CLASSES = ("a", "b", "c")


def images(count: int = 6, channels: int = 3, size: int = 32) -> Tensor:
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(1))


def original(network: BaselineNetwork) -> nn.Module:
    """Torchvision's own network with the same weights and the deployed head as its classifier."""
    own: nn.Module = torchvision.models.get_model(network.spec.model, weights=None, num_classes=len(CLASSES))
    head = network.heads.get_submodule(network.spec.head).state_dict()
    classifier = [name for name, module in own.named_modules() if isinstance(module, nn.Linear)][-1]
    own.load_state_dict(
        {**network.network.state_dict(), **{f"{classifier}.{name}": value for name, value in head.items()}}
    )
    for module in own.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return own


@pytest.mark.parametrize("name", [SMALL, "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0"])
@torch.no_grad()
def test_is_torchvisions_network_to_the_last_bit_but_one(name: str) -> None:
    network = create_baseline(name, CLASSES, (3, 32, 32))
    own, arch = original(network), network.space.full
    for module in own.modules():
        if isinstance(module, torchvision.ops.StochasticDepth):
            module.p = 0.0
    torch.testing.assert_close(network.logits(images(), arch), own.train()(images()), rtol=1e-4, atol=1e-4)
    neutral = network.neutral_statistics(arch)
    own = original(network).eval()  # its own statistics are neutral, too
    torch.testing.assert_close(network.cut(arch, neutral)(images()), own(images()), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_cut_with_re_estimated_statistics_answers_as_one_large_batch_does() -> None:
    network = create_baseline(SMALL, CLASSES, (3, 32, 32))
    arch = network.space.full
    statistics, outputs = network.reestimate_and_forward(images(20), arch)
    cut = network.cut(arch, statistics)
    assert not any(parameter.requires_grad for parameter in cut.parameters())
    torch.testing.assert_close(cut(images(20)), outputs.target, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network.logits(images(20), arch, statistics), outputs.target, rtol=1e-4, atol=1e-4)


def test_widths_are_the_channels_of_its_convolutions_in_forward_order() -> None:
    network = create_baseline("mobilenet_v2", CLASSES, (3, 32, 32))
    widths = network.space.full
    assert widths[:5] == (32, 32, 16, 96, 96)
    assert (len(widths), widths[-1]) == (52, 1280)
    with pytest.raises(ValueError, match="52 widths"):
        network.features(images(), (32, 64))


def test_the_same_seed_gives_the_same_weights_and_leaves_other_randomness_alone() -> None:
    state = torch.get_rng_state()
    one, two, other = (create_baseline(SMALL, CLASSES, (3, 32, 32), seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    first = "network.conv1.0.weight"
    assert torch.equal(one.state_dict()[first], two.state_dict()[first])
    assert not torch.equal(one.state_dict()[first], other.state_dict()[first])


def test_training_it_draws_nothing() -> None:
    network = create_baseline("efficientnet_b0", CLASSES, (3, 32, 32)).train()
    arch = network.space.full
    assert torch.equal(network.logits(images(), arch), network.logits(images(), arch))


def test_grey_images_go_into_a_first_convolution_made_for_them() -> None:
    network = create_baseline(SMALL, CLASSES, (1, 16, 16))
    assert network.logits(images(channels=1, size=16), network.space.full).shape == (6, 3)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mobilenet_v9", "did you mean mobilenet_v2"),
        ("", "list_models"),
        ("fasterrcnn_resnet50_fpn", "no classification network"),
        ("squeezenet1_0", "no linear classifier"),
        ("swin_t", "attention"),
        ("alexnet", "cannot take images of 16x16"),
    ],
)
def test_what_cannot_be_a_baseline_is_refused_in_a_sentence(name: str, words: str) -> None:
    with pytest.raises(BaselineError, match=words) as refused:
        create_baseline(name, CLASSES, (3, 16, 16))
    assert "\n" not in str(refused.value)


class TestKeeping:
    @pytest.fixture
    def baseline(self) -> Baseline:
        network = create_baseline(SMALL, CLASSES, (1, 16, 16), seed=5)
        return Baseline.of(network, network.reestimate(images(8, 1, 16), network.space.full))

    @torch.no_grad()
    def test_what_is_loaded_is_what_was_saved(self, baseline: Baseline, tmp_path: Path) -> None:
        save_baseline(baseline, tmp_path, {"method": "standalone"})
        loaded = load_baseline(tmp_path)
        assert (loaded.spec, loaded.widths, loaded.arch_id) == (baseline.spec, baseline.widths, baseline.arch_id)
        assert torch.equal(loaded.module(images(4, 1, 16)), baseline.module(images(4, 1, 16)))
        assert {path.name for path in tmp_path.iterdir()} == {"weights.safetensors", "baseline.json"}

    @pytest.mark.parametrize("name", ["weights.safetensors", "baseline.json"])
    def test_what_is_broken_or_missing_is_named(self, baseline: Baseline, tmp_path: Path, name: str) -> None:
        save_baseline(baseline, tmp_path, {})
        (tmp_path / name).write_bytes(b"{}")
        with pytest.raises(BaselineError, match=str(tmp_path)):
            load_baseline(tmp_path)
        (tmp_path / name).unlink()
        with pytest.raises(BaselineError, match=str(tmp_path)):
            load_baseline(tmp_path)
