"""The losses of METHOD sections 2 and 3, as functions of logits.

Shapes: logits [N, K] of Cs and Ct on one batch, labels [N]; every loss is a scalar batch mean in nats. Probabilities of
the joint 2K-way classifier are formed as logsumexp over a half minus logsumexp over all, which stays finite where
log(softmax + epsilon) does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def task_loss(source: Tensor, target: Tensor, labels: Tensor) -> Tensor:
    """L_task: cross-entropy of both heads on labelled source images (SymNet, CVPR 2019, eq. 1 and 2)."""
    return F.cross_entropy(source, labels) + F.cross_entropy(target, labels)


def domain_loss(on_source: tuple[Tensor, Tensor], on_target: tuple[Tensor, Tensor]) -> Tensor:
    """L_dom: the joint classifier tells domains apart by which half holds the probability (SymNet eq. 3).

    Each argument is (logits of Cs, logits of Ct) on that domain's images.
    """
    return -(_log_half(on_source, 0).mean() + _log_half(on_target, 1).mean())


def category_confusion_loss(source: Tensor, target: Tensor, labels: Tensor) -> Tensor:
    """L_cat: a source image should be its class under both halves alike (SymNet eq. 5)."""
    joint = F.log_softmax(torch.cat([source, target], dim=1), dim=1)
    classes = source.shape[1]
    return 0.5 * F.nll_loss(joint, labels) + 0.5 * F.nll_loss(joint, labels + classes)


def domain_confusion_loss(source: Tensor, target: Tensor) -> Tensor:
    """L_conf: a target image should be as much one half's as the other's (SymNet eq. 6)."""
    return -0.5 * (_log_half((source, target), 0).mean() + _log_half((source, target), 1).mean())


def entropy_loss(source: Tensor, target: Tensor) -> Tensor:
    """L_em: entropy of q_k = p^st_k + p^st_{k+K} on target images (SymNet eq. 8)."""
    both = torch.stack([source, target])
    log_q = torch.logsumexp(both, dim=0) - torch.logsumexp(both, dim=(0, 2)).unsqueeze(1)
    return -(log_q.exp() * log_q).sum(dim=1).mean()


def belief(*logits: Tensor) -> Tensor:
    """p_j: a subnet's belief about target images, the mean of its heads' softmaxes, [N, K] (METHOD section 3)."""
    return torch.stack(logits).softmax(dim=2).mean(dim=0)


def uniform_confidence(count: int) -> Tensor:
    """alpha_j = 1/m, [m]."""
    return torch.full((count,), 1.0 / count)


def capacity_confidence(multiply_adds: Sequence[float]) -> Tensor:
    """alpha_j proportional to the root of the subnet's multiply-adds, [m]."""
    roots = torch.tensor(multiply_adds, dtype=torch.float64).sqrt()
    return (roots / roots.sum()).float()


def entropy_confidence(beliefs: Tensor) -> Tensor:
    """alpha_j proportional to exp(-mean entropy of p_j): the surer subnet counts for more; [m, N, K] to [m]."""
    entropy: Tensor = torch.special.entr(beliefs).sum(dim=2).mean(dim=1)
    return (-entropy).softmax(dim=0)


def ensemble(beliefs: Tensor, confidence: Tensor) -> Tensor:
    """ybar = sum_j alpha_j p_j, [m, N, K] and [m] to [N, K]."""
    return torch.einsum("m,mnk->nk", confidence.to(beliefs), beliefs)


def sharpen(probabilities: Tensor, temperature: float) -> Tensor:
    """ytil_k = ybar_k^(1/tau) / sum_c ybar_c^(1/tau), [N, K]."""
    return (probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log() / temperature).softmax(dim=1)


def knowledge_loss(knowledge: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy of `logits` [N, K] against fixed soft labels [N, K] (L_seed's summand, or distillation)."""
    return F.cross_entropy(logits, knowledge.detach())


def _log_half(logits: tuple[Tensor, Tensor], half: int) -> Tensor:
    """Log probability that the joint classifier gives to one half, [N]."""
    everything = torch.logsumexp(torch.stack(logits), dim=(0, 2))
    return torch.logsumexp(logits[half], dim=1) - everything
