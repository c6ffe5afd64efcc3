"""How each part is measured on a trained variant; the place where the ablation's target labels meet a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args

import torch
from torch import Tensor

from harness.ablation.budgets import budget_architectures, random_architectures
from harness.ablation.experiments import PartName
from harness.ablation.machine import machine
from harness.ablation.parts import Cell, ConvergencePart, CorrelationPart, Part, SearchPart, UpemPart
from harness.ablation.plan import BUDGETS, Plan, share
from harness.ablation.training import adapted_bank, bank_at
from harness.ablation.variants import Variant
from harness.adaptation import AdaptationDiverged, AdaptationSettings, check_health
from harness.bank import Architecture, ModelBank, Statistics, encode
from harness.costs import ComplexityCounter
from harness.data import Domains, TargetLabels
from harness.report.ablation import (
    SOURCE_STATISTICS,
    UPEM_FORMS,
    CheckpointAccuracy,
    FoundSubnet,
    Outcome,
    Scored,
    ScoredEveryWay,
)
from harness.results import held_out_accuracy, target_accuracy
from harness.search import STRATEGIES, Anchor, Problem, Scorer, discrepancy
from harness.search.upem import anchors_of

#: Where the ladder holds UPEM against accuracy, and how it sharpens.
LADDER_BUDGETS, LADDER_SHARPENING = ("1/2", "1/8", "1/32"), 0.25

#: Budgets at which a bank's convergence is followed.
FOLLOWED = ("1", "1/8", "1/64")

#: From the norm's name in UPEM to its order.
ORDERS = {"l2": 2.0, "l1": 1.0}


@dataclass(frozen=True)
class Subject:
    """A variant of one task and seed, to be measured."""

    plan: Plan
    task: str
    variant: Variant
    settings: AdaptationSettings
    domains: Domains
    held_out: TargetLabels

    @property
    def label(self) -> str:
        """The name of the cell, which its outcomes carry."""
        return self.variant.cell(self.plan.settings)

    def bank(self) -> ModelBank:
        """Return the adapted bank with the head that is evaluated; trained where it is not kept."""
        bank, _ = adapted_bank(self.plan, self.task, self.settings.seed, self.variant, self.domains)
        bank.spec = replace(bank.spec, head=self.variant.deployed_head)
        return bank


def accuracies(subject: Subject) -> Cell:
    """Return the target accuracy at every budget."""
    bank = subject.bank()
    complaints = _complaints(bank, subject.domains)
    return Cell(**_about(subject), warnings=complaints, outcomes=list(_outcomes(bank, subject)))


def correlated(subject: Subject) -> CorrelationPart:
    """Return what the ladder's table of UPEM is made of."""
    return CorrelationPart(**_about(subject), scored=list(_scored(subject.bank(), subject)))


def upem_every_way(subject: Subject) -> UpemPart:
    """Return UPEM of random architectures at all budgets in every norm, sharpening and anchor, and their accuracy."""
    bank = subject.bank()
    counter = ComplexityCounter(bank)
    anchors: tuple[Anchor, ...] = get_args(Anchor)
    by_anchor = {
        anchor: torch.stack([_target_logits(bank, arch, subject.domains)[1] for arch in anchors_of(bank.space, anchor)])
        for anchor in anchors
    }
    anchored = {
        (anchor, t): (logits / (t or 1.0)).softmax(dim=2).mean(dim=0)
        for anchor, logits in by_anchor.items()
        for t in {form.sharpening for form in UPEM_FORMS}
    }
    scored = []
    order = (*LADDER_BUDGETS, *(label for label in BUDGETS if label not in LADDER_BUDGETS))  # the ladder's come again
    drawn = random_architectures(bank, subject.settings.seed, order, subject.plan.correlated)
    for budget, arch in sorted(drawn, key=lambda one: BUDGETS.index(one[0])):
        statistics, logits = _target_logits(bank, arch, subject.domains)
        upem = {
            str(form): discrepancy(
                (logits / (form.sharpening or 1.0)).softmax(dim=1),
                anchored[form.anchor, form.sharpening],
                ORDERS[form.norm],
            )
            for form in UPEM_FORMS
        }
        accuracy = held_out_accuracy(bank, arch, statistics, subject.held_out).value
        scored.append(
            ScoredEveryWay(budget=budget, widths=encode(arch), macs=counter.macs(arch), accuracy=accuracy, upem=upem)
        )
    return UpemPart(**_about(subject), scored=scored)


def searched(subject: Subject) -> SearchPart:
    """Return what each way of searching finds by UPEM, each by itself, and afterwards the accuracy of it."""
    bank, plan = subject.bank(), subject.plan
    counter = ComplexityCounter(bank)
    scorer = Scorer(bank, subject.domains.calibration[: plan.score_images])
    limits = tuple(share(label) for label in BUDGETS)
    problem = Problem(bank.space, scorer, counter.compute_fraction, limits, plan.evaluations, subject.settings.seed)
    found = []
    for name, strategy in STRATEGIES.items():
        result = strategy(problem)
        for label, answer in zip(BUDGETS, result.answers, strict=True):
            if answer is None:
                continue
            accuracy = target_accuracy(bank, answer.arch, subject.domains.calibration, subject.held_out).value
            found.append(
                FoundSubnet(
                    strategy=name,
                    budget=label,
                    widths=encode(answer.arch),
                    compute_fraction=answer.cost,
                    upem=answer.upem,
                    accuracy=accuracy,
                    evaluations=len(result.candidates),
                )
            )
    return SearchPart(**_about(subject), evaluations=plan.evaluations, score_images=plan.score_images, found=found)


def convergence(subject: Subject) -> ConvergencePart:
    """Return every iteration's loss, and the accuracy of the bank as it was at the checkpoints."""
    plan, task, variant, domains = subject.plan, subject.task, subject.variant, subject.domains
    _, losses = adapted_bank(plan, task, subject.settings.seed, variant, domains)
    points = []
    for step in plan.checkpoints():
        bank = bank_at(plan, task, subject.settings.seed, variant, domains, step)
        archs = budget_architectures(bank)
        for budget in (label for label in FOLLOWED if label in archs):
            accuracy = target_accuracy(bank, archs[budget], domains.calibration, subject.held_out).value
            points.append(CheckpointAccuracy(iteration=step, budget=budget, accuracy=accuracy))
    return ConvergencePart(**_about(subject), losses=losses, points=points)


MEASURES: dict[PartName, Callable[[Subject], Part]] = {
    "accuracy": accuracies,
    "correlation": correlated,
    "upem": upem_every_way,
    "search": searched,
    "convergence": convergence,
}


def _about(subject: Subject) -> dict[str, Any]:
    return {
        "settings": subject.settings,
        "digest": subject.domains.digest,
        "network": subject.plan.network,
        "machine": machine(subject.plan.hardware),
    }


def _complaints(bank: ModelBank, domains: Domains) -> list[str]:
    """Return what the health check says; a bank that failed stays in the table, with its complaint."""
    try:
        return check_health(bank, domains)
    except AdaptationDiverged as error:
        return [str(error)]


def _outcomes(bank: ModelBank, subject: Subject) -> Iterator[Outcome]:
    counter = ComplexityCounter(bank)
    domains = subject.domains
    rules: dict[str, Tensor] = {subject.label: domains.calibration}
    if subject.variant.method == "source-only":
        rules[SOURCE_STATISTICS] = domains.source.images[: len(domains.calibration)]
    for budget, arch in budget_architectures(bank).items():
        for label, images in rules.items():
            yield Outcome(
                task=subject.task,
                method=label,
                seed=subject.settings.seed,
                budget=budget,
                widths=encode(arch),
                compute_fraction=counter.compute_fraction(arch),
                accuracy=target_accuracy(bank, arch, images, subject.held_out).value,
            )


def _scored(bank: ModelBank, subject: Subject) -> Iterator[Scored]:
    """Yield UPEM, plain and sharpened, and accuracy of random architectures just below some budgets."""
    counter = ComplexityCounter(bank)
    _, anchor = _target_logits(bank, bank.space.full, subject.domains)
    for budget, arch in random_architectures(bank, subject.settings.seed, LADDER_BUDGETS, subject.plan.correlated):
        statistics, logits = _target_logits(bank, arch, subject.domains)
        upem, sharpened = (
            discrepancy((logits / t).softmax(dim=1), (anchor / t).softmax(dim=1)) for t in (1.0, LADDER_SHARPENING)
        )
        yield Scored(
            budget=budget,
            widths=encode(arch),
            macs=counter.macs(arch),
            upem=upem,
            upem_sharpened=sharpened,
            accuracy=held_out_accuracy(bank, arch, statistics, subject.held_out).value,
        )


def _target_logits(bank: ModelBank, arch: Architecture, domains: Domains) -> tuple[Statistics, Tensor]:
    """Return a subnet's statistics and its deployed head's logits on the unlabelled target images, in one pass."""
    statistics, outputs = bank.reestimate_and_forward(domains.calibration, arch)
    logits: Tensor = getattr(outputs, bank.spec.head)
    return statistics, logits
