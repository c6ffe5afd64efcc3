"""The training loop: source iterations, then the iterations of the method, one model batch each."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness import processes
from harness.adaptation.batches import step_batches
from harness.adaptation.checkpoint import Stand, load_checkpoint, save_checkpoint
from harness.adaptation.foresight import Foresight, look_ahead, settled
from harness.adaptation.hardware import Hardware, TrainingError
from harness.adaptation.objective import Batch, Capacity, Forward, adaptation_losses, ramp, source_losses
from harness.adaptation.settings import AdaptationSettings
from harness.adaptation.sharing import Team, new_team
from harness.bank import Architecture, ModelBank, Normalisation, state_digest
from harness.data import Domains
from harness.memory import keep_freed_memory

CHECKPOINT_EVERY = 50


class AdaptationDiverged(processes.SharedFailure):
    """Training left nothing usable; the message says in words what was noticed, and when."""


@dataclass(frozen=True)
class Training:
    """All that a process needs to know to do its part in these `steps`; `state` is the optimiser's before them."""

    bank: ModelBank
    domains: Domains
    settings: AdaptationSettings
    capacity: Capacity
    only: Architecture | None
    hardware: Hardware
    steps: range
    state: dict[str, Any]


@dataclass(frozen=True)
class Taken:
    """One step that was taken: how many there are now, what it showed, and where the optimiser stands.

    `seen` begins with the mean loss and has the learning rate, and the ramp lambda where there is one.
    """

    done: int
    seen: dict[str, float]
    optimiser: torch.optim.Optimizer


def train(
    bank: ModelBank,
    domains: Domains,
    settings: AdaptationSettings,
    *,
    capacity: Capacity,
    only: Architecture | None = None,
    hardware: Hardware | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    observe: Callable[[int, Mapping[str, float]], None] | None = None,
    foresee: Callable[[Foresight], None] | None = None,
) -> list[float]:
    """Train `bank` in place and return the mean loss of every step.

    `capacity` gives a subnet's multiply-adds. `only` trains this one architecture instead of model batches
    (`standalone`). With a `checkpoint` path training resumes from what is there and leaves its state there. The same
    seed gives the same weights, interrupted or not: each step draws from a generator seeded by phase and step. So it
    does, but for rounding, on other `hardware` (default: the processor) and with other processes to share the work,
    which is shared where torchrun started several. `observe` is told after every step what it showed, `foresee` what
    there is to build on when the source is learnt, which settles what the settings leave open.
    Raises AdaptationDiverged as soon as a loss is not finite, and TrainingError where a batch cannot be shared.
    """
    hardware = hardware or Hardware()
    optimiser = _optimiser(bank, settings, Hardware())  # the weights are still on the processor
    key = _key(bank, domains, settings, only)
    stand = load_checkpoint(checkpoint, bank, optimiser, settings, key) if checkpoint else Stand([], settings)
    _refuse_empty_shares(domains, settings)

    def advance(taken: Taken) -> None:
        stand.losses.append(taken.seen["loss"])
        if observe:
            observe(taken.done, taken.seen)
        if progress:
            progress(taken.done, settings.iterations)
        last = taken.done == settings.iterations
        if checkpoint and (last or taken.done % CHECKPOINT_EVERY == 0):
            save_checkpoint(checkpoint, bank, taken.optimiser, settings, key, stand)

    for end in (settings.source_iterations, settings.iterations):
        steps = range(len(stand.losses), end)
        if not steps:
            continue
        if steps.start == settings.source_iterations:
            # The momentum of the source phase would drag the adaptation.
            optimiser = _optimiser(bank, settings, Hardware())
            if settings.method != "source-only":
                ahead = look_ahead(bank, only or bank.space.full, domains)
                stand.settled = settled(settings, ahead)
                if foresee:
                    foresee(ahead)
        training = Training(bank, domains, stand.settled, capacity, only, hardware, steps, optimiser.state_dict())
        with processes.others_doing(_take_part, training):
            for taken in _steps(training):
                advance(taken)
        bank.to("cpu").to(memory_format=torch.contiguous_format)  # small subnets are scored faster so
    return stand.losses


def _take_part(training: Training) -> None:
    """Take the steps that rank 0 takes."""
    for _ in _steps(training):
        pass


def _steps(training: Training) -> Iterator[Taken]:
    """Take one step after the other, on this process's device and with its team."""
    bank, settings, hardware = training.bank, training.settings, training.hardware
    if hardware.kind == "cuda":
        torch.cuda.set_device(hardware.device)
    else:
        keep_freed_memory()  # the next step takes the same blocks again
    bank.train().to(hardware.device).to(memory_format=torch.channels_last)  # a fifth faster on processors
    optimiser = _optimiser(bank, settings, hardware)
    _restore(optimiser, training.state)
    team = new_team(hardware.device)
    batches = step_batches(
        bank, training.domains, settings, training.steps, training.only, hardware.device, team.rows if team else None
    )
    for step, subnets, batch in batches:
        with _memory_told():
            seen = _step(training, optimiser, team, step, subnets, batch)
        yield Taken(step + 1, seen, optimiser)


@contextmanager
def _memory_told() -> Iterator[None]:
    """Turn a GPU whose memory is used up into a sentence that says what needs less of it."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise TrainingError(
            "the GPU's memory does not suffice for a step of training; give --one-at-a-time, or a smaller "
            "--train-batch-size"
        ) from None


def _step(
    training: Training,
    optimiser: torch.optim.Optimizer,
    team: Team | None,
    step: int,
    subnets: Sequence[Architecture],
    batch: Batch,
) -> dict[str, float]:
    """One optimiser step on one model batch; the subnets' gradients are added before it."""
    bank, settings = training.bank, training.settings
    adapting = step >= settings.source_iterations
    index = step - settings.source_iterations if adapting else step
    length = settings.adaptation_iterations if adapting else settings.source_iterations
    rate = settings.learning_rate * _schedule((index + 1) / length)
    seen = {"learning rate": rate}
    forward = _forward(bank, training.hardware, team)
    if adapting and settings.method != "source-only":
        seen["lambda"] = weight = ramp(index / length)
        losses = adaptation_losses(bank, subnets, batch, settings, weight, training.capacity, forward)
    else:
        distilled = settings.inplace_distillation
        losses = source_losses(bank, subnets, batch, forward, inplace_distillation=distilled)
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    found = []
    for loss in losses:
        (loss / len(subnets)).backward()  # type: ignore[no-untyped-call]
        found.append(loss.detach())
    values: list[float] = torch.stack(found).tolist()
    total = sum(value / len(subnets) for value in values)
    if not math.isfinite(total):
        raise AdaptationDiverged(
            f"adaptation diverged: the loss is {total} at step {step + 1} of {settings.iterations}; "
            f"try a learning rate below {settings.learning_rate:g}"
        )
    if team is not None:
        team.share_gradients(bank)
    torch.nn.utils.clip_grad_norm_(bank.parameters(), settings.gradient_norm)
    optimiser.step()
    return {"loss": total, **seen}


def _forward(bank: ModelBank, hardware: Hardware, team: Team | None) -> Forward:
    """Return what maps a whole batch to pooled features in float32, this process's rows of it in its backbone."""
    normalisation = Normalisation(total=team.total if team else None)

    def forward(images: Tensor, subnet: Architecture) -> Tensor:
        rows = images[team.rows(len(images))] if team else images
        with torch.autocast(hardware.kind, torch.bfloat16, enabled=hardware.bf16):
            features = bank.features(rows, subnet, normalisation)
        features = features.float()
        return team.gathered(features, len(images)) if team else features

    return forward


def _schedule(progress: float) -> float:
    """Learning rate factor: linear warm-up over the first tenth of a phase, then a cosine to a fiftieth."""
    if progress < 0.1:
        return progress / 0.1
    return 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * (progress - 0.1) / 0.9))


def _optimiser(bank: ModelBank, settings: AdaptationSettings, hardware: Hardware) -> torch.optim.Optimizer:
    """Return AdamW, on GPUs in one kernel for all weights."""
    return torch.optim.AdamW(
        bank.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True if hardware.kind == "cuda" else None,
    )


def _restore(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an optimiser's state, each moment laid out in memory as its weight is, which the fused kernel asks for."""
    optimiser.load_state_dict({**state, "param_groups": optimiser.state_dict()["param_groups"]})
    for parameter, moments in optimiser.state.items():
        for name, value in moments.items():
            if value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter).copy_(value)


def _refuse_empty_shares(domains: Domains, settings: AdaptationSettings) -> None:
    """Stop where some process would have no image of a domain to run."""
    count, shares = min(settings.batch_size, len(domains.source), len(domains.target)), processes.count()
    if count < shares:
        raise TrainingError(f"{shares} processes cannot share batches of {count} images; start at most {count}")


def _key(bank: ModelBank, domains: Domains, settings: AdaptationSettings, only: Architecture | None) -> str:
    """Return what the trained weights follow from besides settings: the initial ones, and the images looked at."""
    images = domains.source_digest if settings.method == "source-only" else domains.digest
    return hashlib.sha256(f"{state_digest(bank.state_dict())} {images} {only}".encode()).hexdigest()
