"""Successive halving: candidates are looked at on a part of the images, and the best of them on all.

Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016; here
with two rounds, within octaves of cost, so that cheap architectures do not have to stand up to costly ones.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.search.budgets import Cost
from harness.search.scores import Score
from harness.space import Architecture


@dataclass(frozen=True)
class Halving:
    """A score on `part` of the images, which counts as that part of an evaluation, and the share that it keeps."""

    score: Score
    part: float
    keep: float = 0.25

    def __post_init__(self) -> None:
        if not (0 < self.part < 1 and 0 < self.keep < 1):
            raise ValueError(f"halving needs shares between 0 and 1, not {self.part} of images and {self.keep} kept")

    def pool(self, evaluations: int) -> int:
        """Return of how many candidates the kept ones and all looks take so many evaluations."""
        return max(1, int(evaluations / (self.part + self.keep)))

    def survivors(self, scores: Mapping[Architecture, float], cost: Cost) -> list[Architecture]:
        """Return the best share within each octave of cost, at least one of each, in the order given."""
        octaves: dict[int, list[Architecture]] = defaultdict(list)
        for arch in scores:
            octaves[math.floor(math.log2(cost(arch)))].append(arch)
        kept = {arch for some in octaves.values() for arch in self._best(some, scores)}
        return [arch for arch in scores if arch in kept]

    def _best(self, archs: Sequence[Architecture], scores: Mapping[Architecture, float]) -> list[Architecture]:
        ranked = sorted(archs, key=lambda arch: (scores[arch], arch))
        return ranked[: max(1, round(self.keep * len(archs)))]
