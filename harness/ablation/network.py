"""The network that all variants of an ablation train: backbone, size of its images, and what it starts from."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from harness.bank import create_bank, weights_digest


@dataclass(frozen=True)
class Network:
    """What `--model`, `--image-size` and `--weights` say; equal where the same would be trained from the same."""

    model: str = "resnet8"
    image_size: int | None = None
    """Height and width in pixels; None: the task's own."""
    weights: str | None = field(default=None, compare=False)
    """What `--weights` names; None: random weights."""
    sha256: str | None = None
    """What tells these weights from others, wherever they lie."""


def chosen_network(model: str | None, image_size: int | None, weights: str | None) -> Network:
    """Return the network that is asked for, its weights read and found to be of that model. Raises BankError."""
    model = model or Network.model
    with torch.device("meta"):
        create_bank(model, ("0", "1"), (3, 16, 16))  # raises where there is no such model
    return Network(model, image_size, weights, None if weights is None else weights_digest(model, weights))
