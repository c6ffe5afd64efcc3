"""What adaptation has to build on, told before it begins and without target labels.

Adaptation makes a network surer of what it predicts on target images. Where much of that is wrong, it can do harm, and
afterwards nothing that is seen without labels tells: the network is as sure of its mistakes as of the rest.
"""

from __future__ import annotations

import torch
from torch import Tensor

from harness.adaptation.health import in_one_pass
from harness.bank import Architecture, ModelBank
from harness.data import Domains

#: Estimated accuracy before adaptation below which it may do harm. In our experiments (docs/results) it gained a point
#: at full width where the estimate was 60% and lost ten where it was 65%; above 70% it lost a tenth at most.
PROMISING = 0.7


@torch.no_grad()
def estimated_accuracy(bank: ModelBank, arch: Architecture, domains: Domains) -> float:
    """Estimate the share of target images that a subnet names rightly which has learnt from the source alone.

    Average thresholded confidence (Garg et al., ICLR 2022), with the negative entropy for confidence: as many held-out
    source images lie above a threshold as are named rightly, and what lies above it of the target is the estimate. Each
    domain has its own batch-norm statistics. Of an adapted bank it says nothing.
    """
    check = in_one_pass(domains.source_check)
    source = bank.logits(check.images[:], arch).softmax(dim=1)
    target = bank.logits(domains.calibration, arch).softmax(dim=1)
    right = (source.argmax(dim=1) == check.labels).double().mean()
    threshold = _confidence(source).quantile(1 - float(right))
    return float((_confidence(target) >= threshold).double().mean())


def forewarning(estimate: float) -> str | None:
    """Return what to fear of adapting from such an accuracy, in words; None where that is nothing."""
    if estimate >= PROMISING:
        return None
    return (
        f"before adaptation an estimated {estimate:.0%} of target images are named rightly; where it is so few, "
        "adapting may gain little or do harm: give several cameras, or kinds of images, a run each, and compare with "
        "--method source-only on images that you label"
    )


def _confidence(probabilities: Tensor) -> Tensor:
    confidence: Tensor = -torch.special.entr(probabilities.double()).sum(dim=1)
    return confidence
