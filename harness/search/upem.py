"""UPEM: how far a subnet's predictions on unlabelled target images are from the anchor's (METHOD section 5)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from harness.bank import ModelBank
from harness.search.score_book import ScoreBook, score_key
from harness.search.walk import Walk, can_walk
from harness.space import Architecture, Space, encode

Norm = Literal["l2", "l1"]

#: What predictions are held against: those of the largest subnet, or the mean of those of uniform ones.
Anchor = Literal["full", "ensemble"]

#: Uniform widths of the ensemble's subnets.
ENSEMBLE = (1.0, 0.75, 0.5, 0.25)

#: How many scores are remembered; far above what a search evaluates, and some tens of megabytes when full.
CAPACITY = 100_000


def discrepancy(predictions: Tensor, anchored: Tensor, order: float = 2.0) -> float:
    """Return E_t || p(x; a) - p(x; anchor) || for two sets of probabilities [N, classes]."""
    return float(torch.linalg.vector_norm(predictions - anchored, ord=order, dim=1).mean().item())


def anchors_of(space: Space, anchor: Anchor) -> tuple[Architecture, ...]:
    """Return the subnets whose mean prediction is the anchor."""
    if anchor not in get_args(Anchor):
        raise ValueError(f"unknown anchor {anchor!r}; known: {', '.join(get_args(Anchor))}")
    return tuple(dict.fromkeys(space.uniform(ratio) for ratio in (ENSEMBLE if anchor == "ensemble" else (1.0,))))


class Scorer:
    """Scores architectures of one adapted bank by UPEM(a) = E_t || p(x; a) - p(x; anchor) ||, smaller is better.

    p is the softmax of the deployed head, with each subnet's batch-norm statistics re-estimated on the very same
    images: because they are those of one large batch, a single pass normalised by its own batch is that function.
    What architectures have in common is computed once (`Walk`); so a score depends, in the last bits of a float32, on
    what was scored with it. A subnet that is the anchor scores 0. A bank that is trained further needs a new scorer.
    """

    def __init__(
        self,
        bank: ModelBank,
        images: Tensor,
        *,
        anchor: Anchor | Architecture = "full",
        norm: Norm = "l2",
        sharpening: float | None = None,
        book: ScoreBook | None = None,
    ) -> None:
        """Take unlabelled target images [N, C, H, W] under evaluation transforms.

        `sharpening` is the temperature T of p^(1/T), None leaves p as it is. Scores in `book` are not computed again.
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
        self._options: dict[str, Any] = {"anchor": anchor, "norm": norm, "sharpening": sharpening}
        self._bank = bank
        self._images = images.to(next(bank.parameters()).device)
        self._order = {"l2": 2.0, "l1": 1.0}[norm]
        self._temperature = 1.0 if sharpening is None else sharpening
        self._scores: dict[Architecture, float] = {}
        self.anchors = (
            anchors_of(bank.space, anchor) if isinstance(anchor, str) else (bank.space.validate(tuple(anchor)),)
        )
        self._anchored = torch.stack([self.predictions(arch) for arch in self.anchors]).mean(dim=0)
        self._walk = self._new_walk()
        self._book = book
        #: What the scores are in the book under; empty without a book.
        self.key = score_key(bank, images, self.anchors, norm, self._temperature) if book else ""
        self._booked = book.all(self.key) if book else {}
        #: How many distinct architectures were scored, those in the book and the anchor's own predictions apart.
        self.evaluations = 0

    def on_part(self, every: int) -> Scorer:
        """Return a scorer like this one on every so many of its images."""
        return Scorer(self._bank, self._images[::every], book=self._book, **self._options)

    @property
    def scores(self) -> Mapping[Architecture, float]:
        """What was asked for so far, in order (the latest `CAPACITY` of it)."""
        return self._scores

    @torch.no_grad()
    def predictions(self, arch: Architecture) -> Tensor:
        """Return the subnet's probabilities [N, classes] for the images, sharpened where that was asked for."""
        self._bank.space.validate(arch)
        return self._probabilities(self._bank.logits(self._images, arch))

    def __call__(self, archs: Sequence[Architecture]) -> list[float]:
        """Return the UPEM of architectures, in order; one seen before costs nothing.

        Raises ValueError if one is not a number: the bank has diverged.
        """
        distinct = dict.fromkeys(archs)
        found = {arch: self._scores[arch] for arch in distinct if arch in self._scores}
        booked = {arch: self._booked[arch] for arch in distinct if arch not in found and arch in self._booked}
        missing = [self._bank.space.validate(arch) for arch in distinct if arch not in found and arch not in booked]
        computed = dict(self._computed(missing)) if missing else {}
        if self._book and computed:
            self._book.add(self.key, computed)
        self.evaluations += len(computed)
        found |= booked | computed
        self._remember({arch: found[arch] for arch in distinct if arch not in self._scores})
        return [found[arch] for arch in archs]

    def _computed(self, archs: Sequence[Architecture]) -> Iterator[tuple[Architecture, float]]:
        anchored = {arch: 0.0 for arch in archs if self.anchors == (arch,)}
        yield from anchored.items()
        for arch, predictions in self._predicted([arch for arch in archs if arch not in anchored]):
            score = discrepancy(predictions, self._anchored, self._order)
            if math.isnan(score):
                raise ValueError(f"the predictions of subnet {encode(arch)} are not numbers: the bank has diverged")
            yield arch, score

    def _predicted(self, archs: Sequence[Architecture]) -> Iterator[tuple[Architecture, Tensor]]:
        if self._walk is None:
            yield from ((arch, self.predictions(arch)) for arch in archs)
        else:
            yield from ((arch, self._probabilities(logits)) for arch, logits in self._walk.logits(archs))

    def _new_walk(self) -> Walk | None:
        """Return a walk where that is possible; else each subnet goes through the network alone."""
        return Walk(self._bank, self._images) if can_walk(self._bank, len(self._images)) else None

    def _probabilities(self, logits: Tensor) -> Tensor:
        return (logits / self._temperature).softmax(dim=1)

    def _remember(self, scores: Mapping[Architecture, float]) -> None:
        self._scores |= scores
        for arch in list(self._scores)[: max(0, len(self._scores) - CAPACITY)]:
            del self._scores[arch]
