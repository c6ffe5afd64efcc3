"""The bank of a run: what it starts from, and how it is adapted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from harness.adaptation import (
    DEPLOYED_HEAD,
    Foresight,
    check_health,
    find_hardware,
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
            train(
                bank,
                run.domains,
                settings,
                checkpoint=run.folder.checkpoint,
                foresee=lambda ahead: _tell_ahead(run, ahead),
                **kept,
            )
    for warning in check_health(bank, run.domains):
        run.warn(warning)
    if isinstance(bank, StandaloneBank):
        run.warn(TRAINED_APART)
    about = {"adaptation": settings.model_dump(), "data": run.domains.name, "digest": run.domains.digest}
    about |= {"weights": run.folder.record.weights, "preprocessing": run.domains.preprocessing.model_dump(mode="json")}
    save_bank(bank, run.folder.bank, about)


def _tell_ahead(run: Run, ahead: Foresight) -> None:
    """Say, once the bank has learnt from the source, what adaptation has to build on."""
    run.folder.record.foresight = asdict(ahead)
    run.folder.save()
    if warning := ahead.forewarning:
        run.warn(warning)
    else:
        run.console.say(
            f"before adaptation an estimated {ahead.estimated_target_accuracy:.0%} of target images are named rightly"
        )
    if left_out := ahead.left_out(run.settings.adaptation):
        run.console.say(left_out)


def standalone_widths(space: Space, counter: ComplexityCounter, budgets: Iterable[Budget]) -> list[Architecture]:
    """Return the widths to train apart: the costliest uniform ones within every share of compute that is asked for.

    Where compute is not limited, they stand on the rungs of the ladder of compute.
    """
    shares = [limit.value for budget in budgets for limit in budget.limits if limit.kind == COMPUTE]
    found = [costliest_uniform(space, counter.compute_fraction, share) for share in shares or RUNGS]
    return list(dict.fromkeys(arch for arch in found if arch is not None))
