"""The full-width bank is torchvision's network, name by name."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor, nn

from harness.bank import BankError, create_bank
from tests.bank.factory import stored_statistics

MODELS = ["resnet18", "resnet34", "resnet50", "mobilenet_v2"]


def torchvision_network(model: str, classes: int = 7) -> nn.Module:
    """Return torchvision's network, freshly initialised but for its batch-norms."""
    generator = torch.Generator().manual_seed(0)
    network: nn.Module = torchvision.models.get_model(model, num_classes=classes)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.weight.uniform_(0.5, 1.0, generator=generator)
                module.bias.normal_(0.0, 0.1, generator=generator)
                module.running_mean.normal_(0.0, 0.1, generator=generator)
                module.running_var.uniform_(0.8, 2.0, generator=generator)
    return network.eval()


def images() -> Tensor:
    """Return images of the size that the networks here are tested on."""
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("model", MODELS)
def test_with_torchvision_s_weights_the_full_bank_gives_torchvision_s_outputs(model: str) -> None:
    network = torchvision_network(model)
    bank = create_bank(model, list("abcdefg"), (3, 64, 64))
    bank.load_torchvision(network.state_dict())
    with torch.no_grad():
        expected = network(images())
        outputs = bank(images(), bank.space.full, stored_statistics(bank))
        for logits in (*outputs, bank.cut(bank.space.full, stored_statistics(bank))(images())):
            torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("model", MODELS)
def test_the_full_state_dict_maps_one_to_one(model: str) -> None:
    network = torchvision_network(model)
    bank = create_bank(model, list("abcdefg"), (3, 64, 64))
    bank.load_torchvision(network.state_dict())
    theirs, ours = network.state_dict(), bank.torchvision_state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())
    network.load_state_dict(ours)


def test_a_classifier_for_other_classes_is_refused() -> None:
    bank = create_bank("resnet18", ["a", "b"], (3, 64, 64))
    with pytest.raises(BankError, match=r"fc\.weight has shape \[7, 512\], expected \[2, 512\]"):
        bank.load_torchvision(torchvision_network("resnet18").state_dict())


def test_weights_of_another_network_are_refused() -> None:
    bank = create_bank("resnet34", list("abcdefg"), (3, 64, 64))
    with pytest.raises(BankError, match=r"not torchvision's resnet34: layer1\.2\.conv1\.weight is missing"):
        bank.load_torchvision(torchvision_network("resnet18").state_dict())
