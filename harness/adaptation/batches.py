"""The images of one step. What is drawn depends on the step's own generator alone, not on where it is computed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from harness.adaptation.objective import Batch
from harness.data import Domains, augment


def draw(domains: Domains, size: int, rng: np.random.Generator, device: torch.device) -> Batch:
    """Draw a batch of both domains and augment it on the device; a domain with fewer images than `size` gives all."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))

    def some(count: int) -> Tensor:
        return torch.from_numpy(rng.choice(count, min(size, count), replace=False))

    def ready(images: Tensor) -> Tensor:
        return augment(_moved(images, device), generator, flip=domains.flip)

    source, target = some(len(domains.source)), some(len(domains.target))
    return Batch(
        ready(domains.source.images[source]),
        _moved(domains.source.labels[source], device),
        ready(domains.target[target]),
    )


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy to a GPU from pinned memory, which does not wait for what the GPU is doing."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
