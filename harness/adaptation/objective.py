"""What each method of the ladder minimises for one model batch, and which parameters each part may move.

SymNet's two optimisations run in one step: the heads learn on detached features, the features against detached heads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.adaptation import losses
from harness.adaptation.settings import AdaptationSettings
from harness.bank import Architecture, ModelBank, SlimmableLinear

Capacity = Callable[[Architecture], float]
#: Maps a batch's images [N, C, H, W] to a subnet's pooled features [N, f]; `ModelBank.features` does.
Forward = Callable[[Tensor, Architecture], Tensor]


@dataclass(frozen=True)
class Batch:
    """Source images with labels and target images, without labels; all [N, C, H, W]."""

    source: Tensor
    labels: Tensor
    target: Tensor


@dataclass(frozen=True)
class Features:
    """One subnet's pooled features on both domains, each [N, f]."""

    source: Tensor
    target: Tensor


def ramp(progress: float) -> float:
    """lambda = 2 / (1 + exp(-10 p)) - 1 for training progress p in [0, 1] (METHOD section 2)."""
    return 2.0 / (1.0 + math.exp(-10.0 * progress)) - 1.0


def source_losses(
    bank: ModelBank,
    subnets: Sequence[Architecture],
    batch: Batch,
    forward: Forward | None = None,
    *,
    inplace_distillation: bool = False,
) -> Iterator[Tensor]:
    """Yield for every subnet the cross-entropy of all three heads on source images; it moves everything.

    With `inplace_distillation` the labels teach the first alone, and its heads' predictions those of the others
    (US-Nets, Yu & Huang, ICCV 2019, section 3.3).
    """
    forward = forward or bank.features
    taught: list[Tensor] = [batch.labels] * 3
    for index, subnet in enumerate(subnets):
        outputs = bank.heads(forward(batch.source, subnet))
        start = torch.zeros((), device=outputs[0].device)
        yield sum((F.cross_entropy(z, answer) for z, answer in zip(outputs, taught, strict=True)), start=start)
        if inplace_distillation and index == 0:
            taught = [z.detach().softmax(dim=1) for z in outputs]


def adaptation_losses(
    bank: ModelBank,
    subnets: Sequence[Architecture],
    batch: Batch,
    settings: AdaptationSettings,
    weight: float,
    capacity: Capacity,
    forward: Forward | None = None,
) -> Iterator[Tensor]:
    """Yield every subnet's loss, to be back-propagated before the next one is asked for.

    `subnets` starts with the largest; `weight` is the ramp lambda; `capacity` gives a subnet's multiply-adds.
    """
    forward = forward or bank.features
    kept = [extract(forward, subnet, batch) for subnet in subnets] if settings.keep_graphs else None
    knowledge = None
    if settings.method in ("distill", "seed", "slimda"):
        with torch.no_grad():
            targets = (
                [features.target for features in kept]
                if kept is not None
                else [forward(batch.target, subnet) for subnet in subnets]
            )
            beliefs = torch.stack([_belief(bank, target, settings) for target in targets])
            knowledge = teach(beliefs, subnets, settings, capacity)
    entropy_weight = 1.0 if settings.entropy_weight is None else settings.entropy_weight
    for index, subnet in enumerate(subnets):
        features = kept[index] if kept is not None else extract(forward, subnet, batch)
        loss = symnet_loss(bank, features, batch.labels, weight, entropy_weight)
        if knowledge is not None and not (settings.method == "distill" and index == 0):
            loss = loss + _knowledge_weight(settings, weight) * received_loss(bank, features, knowledge, settings)
        if settings.method == "slimda" and settings.adapted_head_on_source:
            loss = loss + F.cross_entropy(_adapted_logits(bank, features.source, settings), batch.labels)
        yield loss


def extract(forward: Forward, subnet: Architecture, batch: Batch) -> Features:
    """Run source and target images separately, so that batch-norm statistics are per domain."""
    return Features(forward(batch.source, subnet), forward(batch.target, subnet))


def symnet_loss(
    bank: ModelBank, features: Features, labels: Tensor, weight: float, entropy_weight: float = 1.0
) -> Tensor:
    """L_dc^C on the heads Cs and Ct plus L_dc^F on the features (METHOD section 2), L_em times `entropy_weight`."""
    source, target = (
        _confusion_logits(bank, features.source.detach()),
        _confusion_logits(bank, features.target.detach()),
    )
    heads_loss = losses.task_loss(*source, labels) + losses.domain_loss(source, target)
    source, target = _frozen_logits(bank, features.source), _frozen_logits(bank, features.target)
    features_loss = losses.category_confusion_loss(*source, labels) + weight * (
        losses.domain_confusion_loss(*target) + entropy_weight * losses.entropy_loss(*target)
    )
    return heads_loss + features_loss


def teach(beliefs: Tensor, subnets: Sequence[Architecture], settings: AdaptationSettings, capacity: Capacity) -> Tensor:
    """Return the soft labels [N, K] that the model batch [m, N, K] teaches: SEED's, or the largest subnet's own."""
    if settings.method == "distill":
        return beliefs[0]
    if settings.teacher == "largest":
        return losses.sharpen(beliefs[0], settings.temperature)
    if settings.confidence == "uniform":
        confidence = losses.uniform_confidence(len(subnets))
    elif settings.confidence == "capacity":
        confidence = losses.capacity_confidence([capacity(subnet) for subnet in subnets])
    else:
        confidence = losses.entropy_confidence(beliefs)
    return losses.sharpen(losses.ensemble(beliefs, confidence), settings.temperature)


def received_loss(bank: ModelBank, features: Features, knowledge: Tensor, settings: AdaptationSettings) -> Tensor:
    """Cross-entropy of the heads that receive the knowledge: Ca alone in SlimDA, else Cs and Ct; moves features too.

    Where SlimDA teaches all heads, Cs and Ct learn on detached features; where it moves the features through Cs and Ct,
    these have their weights detached.
    """
    if settings.method != "slimda":
        return _mean_knowledge_loss(knowledge, _confusion_logits(bank, features.target))
    loss = losses.knowledge_loss(knowledge, _adapted_logits(bank, features.target, settings))
    if settings.moving_heads == "confusion":
        loss = loss + _mean_knowledge_loss(knowledge, _frozen_logits(bank, features.target))
    if settings.taught_heads == "all":
        loss = loss + _mean_knowledge_loss(knowledge, _confusion_logits(bank, features.target.detach()))
    return loss


def _mean_knowledge_loss(knowledge: Tensor, logits: tuple[Tensor, Tensor]) -> Tensor:
    source, target = logits
    return 0.5 * (losses.knowledge_loss(knowledge, source) + losses.knowledge_loss(knowledge, target))


def _adapted_logits(bank: ModelBank, features: Tensor, settings: AdaptationSettings) -> Tensor:
    logits: Tensor = bank.heads.adapted(features if settings.moving_heads == "adapted" else features.detach())
    return logits


def _knowledge_weight(settings: AdaptationSettings, ramped: float) -> float:
    return settings.knowledge_weight * (ramped if settings.knowledge_ramp else 1.0)


def _belief(bank: ModelBank, features: Tensor, settings: AdaptationSettings) -> Tensor:
    if settings.knowing_heads == "all":
        return losses.belief(*bank.heads(features))
    return losses.belief(*_confusion_logits(bank, features))


def _confusion_logits(bank: ModelBank, features: Tensor) -> tuple[Tensor, Tensor]:
    return bank.heads.source(features), bank.heads.target(features)


def _frozen_logits(bank: ModelBank, features: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of Cs and Ct whose gradient reaches the features but not the heads."""
    return _frozen(bank.heads.source, features), _frozen(bank.heads.target, features)


def _frozen(head: SlimmableLinear, features: Tensor) -> Tensor:
    return F.linear(features, head.weight[:, : features.shape[1]].detach(), head.bias.detach())
