"""A slimmable bank from labelled images: the sandwich rule and in-place distillation (US-Nets, Yu & Huang, ICCV 2019).

It is the source phase of adaptation with the source as its own target: the same loop, checkpoints and processes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from harness.adaptation import AdaptationSettings, check_health, find_hardware, train
from harness.bank import Architecture, ModelBank, load_bank, save_bank
from harness.costs import ComplexityCounter
from harness.data import Domains
from harness.data.domains import Undecoded
from harness.running import Run, RunError, RunSettings, settings_from
from harness.search import costliest_uniform
from harness.training.adapting import new_bank
from harness.training.following import following

#: Passes over the images where no length is asked for.
EPOCHS = 30.0
#: Shares of the multiply-adds at which the result is looked at.
SHARES = {"1": 1.0, "1/4": 1 / 4, "1/16": 1 / 16, "1/64": 1 / 64}
#: Images in one forward pass.
BATCH = 256


def pretraining_from(options: Mapping[str, Any]) -> RunSettings:
    """Return the settings that the options of `pretrain` ask for; raises pydantic's ValidationError."""
    given = {name: value for name, value in options.items() if value is not None}
    if {"iterations", "epochs"} <= set(given):
        raise RunError("--iterations and --epochs both say how long to train; give one of them")
    short = given.get("quick", False) or "iterations" in given
    epochs = given.get("epochs", None if short else EPOCHS)
    source = {"source": given["source"], "target": given["source"]} if "source" in given else {}
    phase = {"method": "source-only", "inplace_distillation": True, "adaptation_iterations": 0}
    phase |= {"source_iterations": given["iterations"]} if "iterations" in given else {}
    return settings_from({**given, **source, **phase, "epochs": epochs})


def pretrain(run: Run) -> None:
    """Train the bank on the labelled images and leave it in the run folder; done once, resumed where it was killed.

    What it looks like is said every time. Raises AdaptationDiverged where nothing of it is usable.
    """
    domains = own_target(run.domains)
    if (run.folder.bank / "bank.json").exists():
        bank, _ = load_bank(run.folder.bank)
        run.console.say(f"the bank in {run.folder.bank} is finished")
    else:
        bank = _pretrained(run, domains)
        run.console.say(f"the bank is in {run.folder.bank}")
    for warning in check_health(bank, domains):
        run.warn(warning)


def _pretrained(run: Run, domains: Domains) -> ModelBank:
    bank = new_bank(run, run.settings.weights)
    settings = at_length(run.settings, len(domains.source))
    hardware = find_hardware(run.settings.train_device, run.settings.train_precision)
    with following(run, "pretraining") as told, run.folder.timed("pretrain"):
        train(
            bank,
            domains,
            settings,
            capacity=ComplexityCounter(bank).macs,
            hardware=hardware,
            checkpoint=run.folder.checkpoint,
            progress=told.progress,
            observe=told.observe,
        )
    run.folder.record.source_accuracy = source_accuracies(bank, domains)
    about = {"adaptation": settings.model_dump(), "data": domains.name, "digest": run.domains.digest}
    about |= {"source_accuracy": run.folder.record.source_accuracy, "weights": run.folder.record.weights}
    run.folder.save()
    save_bank(bank, run.folder.bank, {**about, "preprocessing": domains.preprocessing.model_dump(mode="json")})
    accuracies = ", ".join(f"{value:.1%} at {share}" for share, value in run.folder.record.source_accuracy.items())
    run.console.say(f"held-out source accuracy by share of the multiply-adds: {accuracies}")
    return bank


def own_target(domains: Domains) -> Domains:
    """Return domains whose target is the source's training images, in random order: no other image is seen."""
    images = domains.source.images
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return replace(domains, target=images.subset(order) if isinstance(images, Undecoded) else images[order])


def at_length(settings: RunSettings, images: int) -> AdaptationSettings:
    """Return the settings of the training, with as many steps as the epochs over so many images have."""
    adaptation = settings.adaptation
    if settings.epochs is None:
        return adaptation
    steps = math.ceil(settings.epochs * images / adaptation.batch_size)
    return adaptation.model_copy(update={"source_iterations": steps})


def source_accuracies(bank: ModelBank, domains: Domains) -> dict[str, float]:
    """Return the accuracy on held-out source images at the costliest uniform widths within some shares of compute."""
    counter = ComplexityCounter(bank)
    archs = {name: costliest_uniform(bank.space, counter.compute_fraction, share) for name, share in SHARES.items()}
    return {name: _accuracy(bank, arch, domains) for name, arch in archs.items() if arch is not None}


@torch.no_grad()
def _accuracy(bank: ModelBank, arch: Architecture, domains: Domains) -> float:
    statistics = bank.reestimate(domains.calibration, arch)
    check = domains.source_check
    named = [bank.logits(part, arch, statistics).argmax(dim=1) for part in torch.split(check.images[:], BATCH)]
    return float((torch.cat(named) == check.labels).float().mean())
