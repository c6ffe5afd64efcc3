"""Banks with nothing left at its initial value, as training would leave them."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.bank import ModelBank, SlimmableBatchNorm2d, SlimmableConv2d, Statistics, create_bank

#: The smallest images that each model is tested on.
SHAPES = {
    "resnet8": (1, 16, 16),
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "mobilenet_v2"), (3, 32, 32)),
}


def lived_in_bank(model: str, classes: int = 5, seed: int = 0) -> ModelBank:
    """Return a bank whose batch-norms have random weights, biases and running statistics."""
    bank = create_bank(model, [f"class {i}" for i in range(classes)], SHAPES[model], seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in bank.modules():
            if isinstance(module, SlimmableBatchNorm2d):
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0.0, 0.2, generator=generator)
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0.0, 0.3, generator=generator)
                module.running_var.uniform_(0.5, 2.0, generator=generator)
    return bank


def stored_statistics(bank: ModelBank) -> Statistics:
    """Return the full width's running statistics: those that imported weights came with."""
    norms = [module for module in bank.backbone.modules() if isinstance(module, SlimmableBatchNorm2d)]
    return {
        n.name: (n.running_mean, n.running_var)
        for n in norms
        if n.running_mean is not None and n.running_var is not None
    }


def stem_of(bank: ModelBank) -> SlimmableConv2d:
    """Return the first convolution."""
    stem = bank.layers()[0].module
    assert isinstance(stem, SlimmableConv2d)
    return stem


def images_for(bank: ModelBank, count: int, seed: int = 0) -> Tensor:
    """Return random images [count, C, H, W] that the bank takes."""
    return torch.randn(count, *bank.spec.input_shape, generator=torch.Generator().manual_seed(seed))
