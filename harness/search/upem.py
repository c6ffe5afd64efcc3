"""UPEM: how far a subnet's predictions on unlabelled target images are from the anchor's (METHOD section 5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor

from harness.bank import ModelBank
from harness.space import Architecture, encode

Norm = Literal["l2", "l1"]

#: How many scores are remembered; far above what a search evaluates, and some tens of megabytes when full.
CAPACITY = 100_000


def discrepancy(predictions: Tensor, anchored: Tensor, order: float = 2.0) -> float:
    """Return E_t || p(x; a) - p(x; anchor) || for two sets of probabilities [N, classes]."""
    return float(torch.linalg.vector_norm(predictions - anchored, ord=order, dim=1).mean())


class Scorer:
    """Scores architectures of one adapted bank by UPEM(a) = E_t || p(x; a) - p(x; anchor) ||, smaller is better.

    p is the softmax of the deployed head, with each subnet's batch-norm statistics re-estimated on the very same
    images: because they are those of one large batch, a single pass normalised by its own batch is that function.
    The anchor scores 0 by construction. A bank that is trained further needs a new scorer.
    """

    def __init__(
        self,
        bank: ModelBank,
        images: Tensor,
        *,
        anchor: Architecture | None = None,
        norm: Norm = "l2",
        sharpening: float | None = None,
    ) -> None:
        """Take unlabelled target images [N, C, H, W] under evaluation transforms.

        `anchor` None is the full-width subnet; `sharpening` is the temperature T of p^(1/T), None leaves p as it is.
        Raises ValueError, in one sentence, for images or options that cannot be scored with.
        """
        if images.ndim != 4 or images.shape[1:] != bank.spec.input_shape or len(images) < 2:
            raise ValueError(
                f"scoring needs at least two images of shape {bank.spec.input_shape}, got {tuple(images.shape)}"
            )
        if norm not in get_args(Norm):
            raise ValueError(f"unknown norm {norm!r}; known: {', '.join(get_args(Norm))}")
        if sharpening is not None and not sharpening > 0:
            raise ValueError(f"the sharpening temperature must be positive, not {sharpening}")
        self._bank = bank
        self._images = images.to(next(bank.parameters()).device)
        self._order = {"l2": 2.0, "l1": 1.0}[norm]
        self._temperature = 1.0 if sharpening is None else sharpening
        self._scores: dict[Architecture, float] = {}
        self.anchor: Architecture = bank.space.validate(bank.space.full if anchor is None else anchor)
        self._anchored = self.predictions(self.anchor)
        #: How many distinct architectures were scored, the anchor's own predictions apart.
        self.evaluations = 0

    @property
    def scores(self) -> Mapping[Architecture, float]:
        """What was scored so far, in order (the latest `CAPACITY` of it)."""
        return self._scores

    @torch.no_grad()
    def predictions(self, arch: Architecture) -> Tensor:
        """Return the subnet's probabilities [N, classes] for the images, sharpened where that was asked for."""
        self._bank.space.validate(arch)
        return (self._bank.logits(self._images, arch) / self._temperature).softmax(dim=1)

    def __call__(self, arch: Architecture) -> float:
        """Return the UPEM of an architecture; one seen before costs nothing.

        Raises ValueError if it is not a number: the bank has diverged.
        """
        if (known := self._scores.get(arch)) is not None:
            return known
        score = discrepancy(self.predictions(arch), self._anchored, self._order)
        if math.isnan(score):
            raise ValueError(f"the predictions of subnet {encode(arch)} are not numbers: the bank has diverged")
        if len(self._scores) >= CAPACITY:
            del self._scores[next(iter(self._scores))]
        self._scores[arch] = score
        self.evaluations += 1
        return score
