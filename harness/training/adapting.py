"""The bank of a run: what it starts from, and how it is adapted."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from harness.adaptation import (
    DEPLOYED_HEAD,
    check_health,
    estimated_accuracy,
    find_hardware,
    forewarning,
    train,
    train_apart,
)
from harness.bank import (
    Architecture,
    BankError,
    ModelBank,
    StandaloneBank,
    create_bank,
    create_standalone_bank,
    save_bank,
    start_from,
)
from harness.console import Advance
from harness.costs import ComplexityCounter
from harness.profiling import RUNGS
from harness.running import Run
from harness.search import COMPUTE, Budget, costliest_uniform
from harness.space import Space
from harness.training.following import following

TRAINED_APART = (
    "every width was trained apart (standalone), so UPEM also holds what two trainings of one network differ by"
)


def new_bank(run: Run, weights: str | None) -> ModelBank:
    """Return the bank that adaptation starts from: of random weights, or of those that are named."""
    settings, preprocessing = run.settings, run.domains.preprocessing
    shape = (preprocessing.channels, *preprocessing.size)
    model = settings.model or default_model(shape)
    head = DEPLOYED_HEAD[settings.adaptation.method]
    bank = create_bank(model, run.domains.classes, shape, seed=settings.seed, head=head)
    if weights is not None:
        run.begin_with(start_from(bank, weights))
    return bank


def default_model(input_shape: tuple[int, int, int]) -> str:
    """Return the backbone for images of this (channels, height, width): the small one up to 32 pixels."""
    size = max(input_shape[1:])
    if size < 16:
        raise BankError(f"images of {size} pixels are too small: every backbone needs at least 16")
    return "resnet8" if size <= 32 else "resnet18"


def adapt(run: Run, bank: ModelBank) -> None:
    """Train the bank on labelled source and unlabelled target images; done once, resumed where it was killed."""
    settings = run.settings.adaptation
    if settings.method == "standalone":
        asked = [budget for configuration in run.configurations for budget in configuration.budgets]
        bank = create_standalone_bank(bank, standalone_widths(bank.space, ComplexityCounter(bank), asked))
    hardware = find_hardware(run.settings.train_device, run.settings.train_precision)
    with following(run, f"adapting ({settings.method})") as told, run.folder.timed("adapt"):
        kept: dict[str, Any] = {"capacity": ComplexityCounter(bank).macs, "hardware": hardware, **vars(told)}
        if isinstance(bank, StandaloneBank):
            train_apart(bank, run.domains, settings, checkpoints=run.folder.bank, **kept)
        else:
            kept["progress"] = _looking_ahead(run, bank, told.progress)
            train(bank, run.domains, settings, checkpoint=run.folder.checkpoint, **kept)
    for warning in check_health(bank, run.domains):
        run.warn(warning)
    if isinstance(bank, StandaloneBank):
        run.warn(TRAINED_APART)
    about = {"adaptation": settings.model_dump(), "data": run.domains.name, "digest": run.domains.digest}
    about |= {"weights": run.folder.record.weights, "preprocessing": run.domains.preprocessing.model_dump(mode="json")}
    save_bank(bank, run.folder.bank, about)


def _looking_ahead(run: Run, bank: ModelBank, progress: Advance) -> Advance:
    """Return what also tells, once the bank has learnt from the source, how much adaptation has to build on."""
    settings = run.settings.adaptation
    if settings.method == "source-only":
        return progress

    def advance(done: int, total: int) -> None:
        progress(done, total)
        if done == settings.source_iterations < total:
            here = copy.deepcopy(bank).to("cpu")  # a GPU's memory is the training's
            estimate = estimated_accuracy(here, here.space.full, run.domains)
            if warning := forewarning(estimate):
                run.warn(warning)
            else:
                run.console.say(f"before adaptation an estimated {estimate:.0%} of target images are named rightly")

    return advance


def standalone_widths(space: Space, counter: ComplexityCounter, budgets: Iterable[Budget]) -> list[Architecture]:
    """Return the widths to train apart: the costliest uniform ones within every share of compute that is asked for.

    Where compute is not limited, they stand on the rungs of the ladder of compute.
    """
    shares = [limit.value for budget in budgets for limit in budget.limits if limit.kind == COMPUTE]
    found = [costliest_uniform(space, counter.compute_fraction, share) for share in shares or RUNGS]
    return list(dict.fromkeys(arch for arch in found if arch is not None))
