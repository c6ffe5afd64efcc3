"""The training loop: source iterations, then the iterations of the method, one model batch each."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harness.adaptation.checkpoint import load_checkpoint, save_checkpoint
from harness.adaptation.objective import Batch, Capacity, adaptation_losses, ramp, source_losses
from harness.adaptation.settings import AdaptationSettings
from harness.bank import Architecture, ModelBank
from harness.data import Domains, Draw, training_batches

CHECKPOINT_EVERY = 50


class AdaptationDiverged(RuntimeError):
    """Training left nothing usable; the message says in words what was noticed, and when."""


def train(
    bank: ModelBank,
    domains: Domains,
    settings: AdaptationSettings,
    *,
    capacity: Capacity,
    only: Architecture | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[float]:
    """Train `bank` in place and return the mean loss of every step taken.

    `capacity` gives a subnet's multiply-adds. `only` trains this one architecture instead of model batches
    (`standalone`). With a `checkpoint` path training resumes from what is there and leaves its state there. The same
    seed gives the same weights, interrupted or not: each step draws from a generator seeded by phase and step.
    Raises AdaptationDiverged as soon as a loss is not finite.
    """
    optimiser = _optimiser(bank, settings)
    key = _key(domains, only)
    done = load_checkpoint(checkpoint, bank, optimiser, settings, key) if checkpoint else 0
    history = []
    bank.train().to(memory_format=torch.channels_last)  # a fifth faster on processors
    steps = range(done, settings.iterations)
    drawn = training_batches(domains, (_plan(bank, domains, settings, step, only)[1] for step in steps))
    for step, batch in zip(steps, drawn, strict=True):
        if step == settings.source_iterations:
            optimiser = _optimiser(bank, settings)  # the momentum of the source phase would drag the adaptation
        history.append(_step(bank, Batch(*batch), domains, settings, optimiser, step, capacity, only))
        if checkpoint and (step + 1) % CHECKPOINT_EVERY == 0:
            save_checkpoint(checkpoint, bank, optimiser, settings, key, step + 1)
        if progress:
            progress(step + 1, settings.iterations)
    bank.to(memory_format=torch.contiguous_format)  # small subnets are scored faster so
    if checkpoint and history:
        save_checkpoint(checkpoint, bank, optimiser, settings, key, settings.iterations)
    return history


def _step(
    bank: ModelBank,
    batch: Batch,
    domains: Domains,
    settings: AdaptationSettings,
    optimiser: torch.optim.Optimizer,
    step: int,
    capacity: Capacity,
    only: Architecture | None,
) -> float:
    """One optimiser step on one model batch; the subnets' gradients are added before it."""
    adapting = step >= settings.source_iterations
    index = step - settings.source_iterations if adapting else step
    length = settings.adaptation_iterations if adapting else settings.source_iterations
    subnets, _ = _plan(bank, domains, settings, step, only)
    if adapting and settings.method != "source-only":
        losses = adaptation_losses(bank, subnets, batch, settings, ramp(index / length), capacity)
    else:
        losses = source_losses(bank, subnets, batch)
    for group in optimiser.param_groups:
        group["lr"] = settings.learning_rate * _schedule((index + 1) / length)
    optimiser.zero_grad(set_to_none=True)
    total = 0.0
    for loss in losses:
        (loss / len(subnets)).backward()  # type: ignore[no-untyped-call]
        total += loss.item() / len(subnets)
    if not math.isfinite(total):
        raise AdaptationDiverged(
            f"adaptation diverged: the loss is {total} at step {step + 1} of {settings.iterations}; "
            f"try a learning rate below {settings.learning_rate:g}"
        )
    torch.nn.utils.clip_grad_norm_(bank.parameters(), settings.gradient_norm)
    optimiser.step()
    return total


def model_batch(bank: ModelBank, size: int, rng: np.random.Generator) -> list[Architecture]:
    """Sample a model batch: the largest first, then the smallest (sandwich rule), the others at random."""
    return [bank.space.full, bank.space.smallest, *(bank.space.sample(rng) for _ in range(size - 2))]


def _plan(
    bank: ModelBank, domains: Domains, settings: AdaptationSettings, step: int, only: Architecture | None
) -> tuple[list[Architecture], Draw]:
    """A step's subnets and the images it takes; both are known ahead, as each step has a generator of its own.

    A domain with fewer images than the batch gives them all.
    """
    adapting = step >= settings.source_iterations
    index = step - settings.source_iterations if adapting else step
    rng = np.random.default_rng([settings.seed, int(adapting), index])
    subnets = [only] if only else model_batch(bank, settings.model_batch, rng)
    seed = int(rng.integers(2**62))

    def some(count: int) -> Tensor:
        return torch.from_numpy(rng.choice(count, min(settings.batch_size, count), replace=False))

    return subnets, Draw(some(len(domains.source)), some(len(domains.target)), seed)


def _schedule(progress: float) -> float:
    """Learning rate factor: linear warm-up over the first tenth of a phase, then a cosine to a fiftieth."""
    if progress < 0.1:
        return progress / 0.1
    return 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * (progress - 0.1) / 0.9))


def _optimiser(bank: ModelBank, settings: AdaptationSettings) -> torch.optim.Optimizer:
    parameters: Sequence[Tensor] = list(bank.parameters())
    return torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def _key(domains: Domains, only: Architecture | None) -> str:
    return hashlib.sha256(f"{domains.digest} {only}".encode()).hexdigest()
