"""What adaptation has to build on, seen before it begins and without target labels.

Adaptation makes a network surer of what it predicts on target images. Where much of that is wrong, it can do harm, and
afterwards nothing that is seen without labels tells: the network is as sure of its mistakes as of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.adaptation.settings import AdaptationSettings
from harness.bank import Architecture, ModelBank
from harness.data import Domains

#: Estimated accuracy before adaptation below which it may do harm. In our experiments (docs/results) it gained a point
#: at full width where the estimate was 60% and lost a half, with L_em ten, where it was 65%; above 70% a tenth at most.
PROMISING = 0.7
#: Share of held-out source images named rightly from which on L_em is used. In our experiments (docs/results) it gained
#: one to three points on handwriting, where the share was 91% and more, had either sign between two cameras, where it
#: was 83 to 94% of few images, and cost up to ten on CIFAR-10, where it was 81%.
APART = 0.85


@dataclass(frozen=True)
class Foresight:
    """What a network shows that has learnt from the source alone."""

    source_accuracy: float
    """Share of held-out source images that it names rightly."""
    estimated_target_accuracy: float
    """The same of target images, estimated without their labels."""

    @property
    def classes_apart(self) -> bool:
        """Whether classes overlap so little that entropy minimisation has something to go by.

        It moves the borders between classes to where few images are (Grandvalet & Bengio, NeurIPS 2004), and where
        classes overlap there is no such place.
        """
        return self.source_accuracy >= APART

    @property
    def forewarning(self) -> str | None:
        """What to fear of adapting, in words; None where that is nothing."""
        if self.estimated_target_accuracy >= PROMISING:
            return None
        return (
            f"before adaptation an estimated {self.estimated_target_accuracy:.0%} of target images are named rightly; "
            "where it is so few, adapting may gain little or do harm: give several cameras, or kinds of images, a run "
            "each, and compare with --method source-only on images that you label"
        )

    def left_out(self, settings: AdaptationSettings) -> str | None:
        """Say that L_em is left out of an adaptation with these settings, in words; None where it is not."""
        if self.classes_apart or settings.entropy_weight is not None:
            return None
        return (
            f"{self.source_accuracy:.0%} of held-out source images are named rightly, too few to make predictions on "
            "the target surer by an entropy loss: it is left out (--entropy-weight 1 keeps it)"
        )


@torch.no_grad()
def look_ahead(bank: ModelBank, arch: Architecture, domains: Domains) -> Foresight:
    """Look at a subnet which has learnt from the source alone; each domain has its own batch-norm statistics.

    The estimate is the average thresholded confidence (Garg et al., ICLR 2022), with the negative entropy for
    confidence: as many held-out source images lie above a threshold as are named rightly, and what lies above it of the
    target is the estimate. Of an adapted bank it says nothing.
    """
    check = domains.source_check.in_one_pass()
    source = bank.logits(check.images[:], arch).softmax(dim=1)
    target = bank.logits(domains.calibration, arch).softmax(dim=1)
    right = float((source.argmax(dim=1) == check.labels).double().mean())
    threshold = _confidence(source).quantile(1 - right)
    return Foresight(right, float((_confidence(target) >= threshold).double().mean()))


def settled(settings: AdaptationSettings, ahead: Foresight) -> AdaptationSettings:
    """Return the settings with what they leave open until the source is learnt: the weight of L_em."""
    if settings.entropy_weight is not None:
        return settings
    return settings.model_copy(update={"entropy_weight": 1.0 if ahead.classes_apart else 0.0})


def _confidence(probabilities: Tensor) -> Tensor:
    confidence: Tensor = -torch.special.entr(probabilities.double()).sum(dim=1)
    return confidence
