"""What one step trains, and on which images: the step's own generator alone decides, not where it is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from harness.adaptation.objective import Batch
from harness.adaptation.settings import AdaptationSettings
from harness.bank import Architecture, ModelBank
from harness.data import Domains, Draw, training_batches


def step_batches(
    bank: ModelBank,
    domains: Domains,
    settings: AdaptationSettings,
    steps: Sequence[int],
    only: Architecture | None,
    device: torch.device,
    mine: Callable[[int], slice] | None = None,
) -> Iterator[tuple[int, list[Architecture], Batch]]:
    """Yield every step with the subnets that it trains and its batch, augmented, on the device.

    `only` is trained alone where given. Images are drawn ahead of the steps, so that decoding need not be waited for.
    `mine` tells which of so many rows this process runs; the others may be black.
    """
    waiting: deque[list[Architecture]] = deque()

    def draws() -> Iterator[Draw]:
        for step in steps:
            adapting = step >= settings.source_iterations
            index = step - settings.source_iterations if adapting else step
            rng = np.random.default_rng([settings.seed, int(adapting), index])
            waiting.append([only] if only else model_batch(bank, settings.model_batch, rng))
            drawn = draw(domains, settings.batch_size, rng, target=adapting and settings.method != "source-only")
            yield drawn._replace(mine=(mine(len(drawn.source)), mine(len(drawn.target)))) if mine else drawn

    for step, batch in zip(steps, training_batches(domains, draws(), device), strict=True):
        yield step, waiting.popleft(), Batch(*batch)


def model_batch(bank: ModelBank, size: int, rng: np.random.Generator) -> list[Architecture]:
    """Sample a model batch: the largest first, then the smallest (sandwich rule), the others at random."""
    return [bank.space.full, bank.space.smallest, *(bank.space.sample(rng) for _ in range(size - 2))]


def draw(domains: Domains, size: int, rng: np.random.Generator, *, target: bool) -> Draw:
    """Draw images [size] of both domains, or none of a `target` that the step does without.

    A domain with fewer than `size` gives them all.
    """
    seed = int(rng.integers(2**62))

    def some(count: int) -> Tensor:
        return torch.from_numpy(rng.choice(count, min(size, count), replace=False))

    source = some(len(domains.source))
    return Draw(source, some(len(domains.target)) if target else source[:0], seed)
