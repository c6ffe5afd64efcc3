"""A space small enough to enumerate, with a score and a cost of known structure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from harness.search import Found, Problem, Score
from harness.space import Architecture, Slot, Space

#: 3 free widths of 16 choices and a stem that follows the first: 4,096 architectures.
SPACE = Space(
    "toy",
    (
        Slot("stem", 32, 2, 2, tied_to=1),
        Slot("stage1", 32, 2, 2),
        Slot("inner1", 64, 4, 4),
        Slot("inner2", 128, 8, 8),
    ),
)
LIMITS = (1.0, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64)


@cache
def macs(arch: Architecture) -> float:
    """Three layers in a row over a few input channels, as a share of full width."""

    def total(widths: Architecture) -> int:
        stem, stage, inner, last = widths
        return 3 * stem + stem * inner * 9 + inner * last * 9 + last * stage

    return total(arch) / total(SPACE.full)


def score(arch: Architecture) -> float:
    """Narrowing hurts each slot differently, the more the narrower it is; the full width scores 0."""
    return math.fsum(
        weight * (math.log(slot.full / width)) ** 1.5
        for weight, slot, width in zip((0.0, 0.02, 0.15, 0.05), SPACE.slots, arch, strict=True)
    )


#: Six free widths on a fine grid, as many as a small residual network has.
WIDE = Space("wide", tuple(Slot(f"slot{i}", full, full // 8, full // 32) for i, full in enumerate((32, 64, 128) * 2)))


@cache
def wide_cost(arch: Architecture) -> float:
    """Every slot costs its width times its neighbour's, as a share of full width."""

    def total(widths: Architecture) -> int:
        return sum(a * b for a, b in itertools.pairwise((3, *widths)))

    return total(arch) / total(WIDE.full)


def wide_score(arch: Architecture) -> float:
    """As `score`, with three slots of six that hardly matter."""
    return _wide_score(arch, (0.1, 0.01, 0.12, 0.01, 0.15, 0.01))


def even_score(arch: Architecture) -> float:
    """As `wide_score`, with slots that matter about alike, whatever they cost."""
    return _wide_score(arch, (0.04, 0.05, 0.06, 0.06, 0.05, 0.04))


def _wide_score(arch: Architecture, weights: Sequence[float]) -> float:
    return math.fsum(
        weight * (math.log(slot.full / width)) ** 1.5
        for weight, slot, width in zip(weights, WIDE.slots, arch, strict=True)
    )


def problem(**changes: Any) -> Problem:
    """Return the toy problem with some fields changed."""
    fields: dict[str, Any] = {
        "space": SPACE,
        "score": each(score),
        "cost": macs,
        "limits": LIMITS,
        "evaluations": 150,
        "seed": 0,
    }
    return Problem(**(fields | changes))


def everything() -> list[Architecture]:
    """Return every architecture of the toy space."""
    choices = [range(len(SPACE.slots[index].choices)) for index in SPACE.free]
    return [SPACE.from_indices(indices) for indices in itertools.product(*choices)]


def each(function: Callable[[Architecture], float]) -> Score:
    """Return the score of architectures that a function gives one by one."""
    return lambda archs: [function(arch) for arch in archs]


class Counted:
    """A function of an architecture that remembers what it was asked."""

    def __init__(self, function: Callable[[Architecture], float]) -> None:
        self.function = function
        self.asked: list[Architecture] = []

    def __call__(self, arch: Architecture) -> float:
        self.asked.append(arch)
        return self.function(arch)


def log_mean(found: Found) -> float:
    """Return the mean log UPEM of the answers: smaller is better."""
    return float(np.mean([math.inf if answer is None else math.log(answer.upem) for answer in found.answers]))
