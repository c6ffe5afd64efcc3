"""Notice a failed bank without target labels (METHOD section 5).

Two things are known without them: how often each class occurs in the source, and held-out source images with labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import binom
from torch import Tensor

from harness.adaptation.training import AdaptationDiverged
from harness.bank import Architecture, ModelBank, StandaloneBank
from harness.data import Domains

#: A class counts as lost when it is predicted less than this share of its frequency in the source, and so seldom by
#: chance alone in this share of healthy subnets.
LOST, BY_CHANCE = 0.1, 0.001
#: Distance between predicted shares and source prior above which a subnet is doubtful, or unusable.
DOUBTFUL, UNUSABLE = 0.25, 0.5


@dataclass(frozen=True)
class Health:
    """What one subnet looks like from outside, on unlabelled target and held-out source images."""

    arch: Architecture
    finite: bool
    distance_from_prior: float
    """Total variation distance of the predicted classes' shares from the source's, as the share of what it can be
    beyond that of as many images drawn from the source: of 668 images and 1,000 classes, that alone is a half."""
    lost_classes: tuple[str, ...]
    source_accuracy: float
    chance: float

    @property
    def usable(self) -> bool:
        """Whether the subnet still tells classes apart."""
        return self.finite and self.distance_from_prior <= UNUSABLE and self.source_accuracy >= self.least_accuracy

    @property
    def least_accuracy(self) -> float:
        """A quarter of the way from always naming the commonest class to being always right."""
        return self.chance + 0.25 * (1.0 - self.chance)

    @property
    def complaint(self) -> str | None:
        """What is wrong, in words; None where nothing is."""
        if not self.finite:
            return "its outputs are not finite"
        if self.source_accuracy < self.least_accuracy:
            return f"it names only {self.source_accuracy:.0%} of held-out source images rightly"
        parts = []
        if self.distance_from_prior > DOUBTFUL:
            parts.append(
                f"its predicted class shares on the target are {self.distance_from_prior:.0%} away from the source's"
            )
        if self.lost_classes:
            parts.append(f"it hardly ever predicts {', '.join(self.lost_classes)}")
        return " and ".join(parts) or None


@torch.no_grad()
def examine(bank: ModelBank, arch: Architecture, domains: Domains) -> Health:
    """Run a subnet on unlabelled target and held-out source images, each with its own domain's statistics."""
    probabilities = bank.logits(domains.calibration, arch).softmax(dim=1)
    check = domains.source_check.in_one_pass()
    count = len(domains.classes)
    prior = torch.bincount(domains.source.labels, minlength=count) / len(domains.source)
    predicted = torch.bincount(probabilities.argmax(dim=1), minlength=count)
    named = bank.logits(check.images[:], arch).argmax(dim=1)
    return Health(
        arch=arch,
        finite=bool(probabilities.isfinite().all()),
        distance_from_prior=_distance(predicted, prior),
        lost_classes=tuple(domains.classes[index] for index in torch.nonzero(_lost(predicted, prior))[:, 0]),
        source_accuracy=float((named == check.labels).float().mean()),
        chance=float(prior.max()),
    )


def _distance(predicted: Tensor, prior: Tensor) -> float:
    """Compare how often classes [K] are predicted with their shares [K] in the source; see Health."""
    total, p = int(predicted.sum()), prior.double().numpy()
    found = 0.5 * float((predicted / total - prior).abs().sum())
    above = np.floor(total * p) + 1
    # The mean absolute deviation of a binomial count (de Moivre), as a share of all images.
    by_chance = 0.5 * float((2 * above * (1 - p) * binom.pmf(above, total, p)).sum()) / total
    return max(0.0, (found - by_chance) / (1 - by_chance))


def _lost(predicted: Tensor, prior: Tensor) -> Tensor:
    """Return for every class [K] whether it is predicted next to never, and more seldom than by chance."""
    total = int(predicted.sum())
    seldom = binom.cdf(predicted.numpy(), total, prior.double().numpy()) < BY_CHANCE / len(prior)
    return (predicted < LOST * prior * total) & torch.from_numpy(seldom)


def check_health(bank: ModelBank, domains: Domains) -> list[str]:
    """Return warnings about the largest, a middle and the smallest subnet (or network trained apart), in words.

    Raises AdaptationDiverged where none of them is usable.
    """
    found = {name: examine(bank, arch, domains) for name, arch in _examined(bank).items()}
    if not any(health.usable for health in found.values()):
        raise AdaptationDiverged(
            f"adaptation left nothing usable: of the largest subnet, {found['largest'].complaint}; "
            "try a lower learning rate or more source iterations"
        )
    return [f"the {name} subnet is doubtful: {h.complaint}" for name, h in found.items() if h.complaint]


def _examined(bank: ModelBank) -> dict[str, Architecture]:
    space = bank.space
    if isinstance(bank, StandaloneBank):
        by_width = sorted(bank.archs, reverse=True)
        return {"largest": space.full, "middle": by_width[len(by_width) // 2], "smallest": by_width[-1]}
    return {"largest": space.full, "half-width": space.uniform(0.5), "smallest": space.smallest}
