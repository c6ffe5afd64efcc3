"""Seeded random splits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def split(count: int, share: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Indices 0..count-1 in random order, cut after `share` of them; it sees no labels. Both parts int64."""
    order = torch.from_numpy(rng.permutation(count))
    cut = round(share * count)
    return order[:cut], order[cut:]


def split_classwise(labels: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The same within every class of `labels` [N], leaving each class of two or more at least one on either side."""
    firsts, seconds = [], []
    for label in np.unique(labels.numpy()).tolist():
        members = torch.nonzero(labels == label)[:, 0]
        order = members[torch.from_numpy(rng.permutation(len(members)))]
        cut = min(max(round(share * len(members)), 1), max(len(members) - 1, 1))
        firsts.append(order[:cut])
        seconds.append(order[cut:])
    return torch.cat(firsts).sort().values, torch.cat(seconds).sort().values
