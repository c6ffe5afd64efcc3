"""Scoring spread over the processes that torchrun started: rank 0 runs the search, the others score their share.

Every process scores on the device of its local rank where rank 0's bank is on a GPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from harness import processes
from harness.bank import ModelBank
from harness.search.upem import Scorer
from harness.space import Architecture

Scored = list[tuple[Architecture, float]]

#: The newest scorer that this process serves rank 0 with.
_served: Scorer | None = None


def new_scorer(bank: ModelBank, images: Tensor, **options: Any) -> Scorer:
    """Return a scorer of the bank, spread over the processes where there are several."""
    kind = SpreadScorer if processes.several() else Scorer
    return kind(bank, images, **options)


class SpreadScorer(Scorer):
    """A scorer on rank 0 whose batches are shared with the other processes, in the order of the walk.

    The processes serve the newest one alone.
    """

    def __init__(self, bank: ModelBank, images: Tensor, **options: Any) -> None:
        super().__init__(bank, images, **options)
        of_workers = {name: value for name, value in options.items() if name != "book"}
        with processes.others_doing(_take_over, bank, images, of_workers):
            pass

    def _computed(self, archs: Sequence[Architecture]) -> Iterator[tuple[Architecture, float]]:
        shares = shared_out(self._bank, archs, dist.get_world_size())
        answers: list[Any] = [None] * len(shares)
        with processes.others_doing(_score_share, shares):
            dist.gather_object(_attempt(self, shares[0]), answers)
        for answer in answers:
            if isinstance(answer, ValueError):
                raise answer
        for answer in answers:
            yield from answer

    def own(self, archs: Sequence[Architecture]) -> Scored:
        """Return the scores that this process computes by itself."""
        return list(super()._computed(archs))


def shared_out(bank: ModelBank, archs: Sequence[Architecture], count: int) -> list[list[Architecture]]:
    """Split architectures into `count` parts of about the same work, those that begin alike together."""
    order = [layer.inputs for layer in bank.layers() if layer.inputs is not None]
    ranked = sorted(archs, key=lambda arch: [arch[index] for index in order])
    work = list(accumulate(sum(arch) ** 2 for arch in ranked))  # about what a subnet's products follow
    shares: list[list[Architecture]] = [[] for _ in range(count)]
    for arch, until in zip(ranked, work, strict=True):
        shares[min(count - 1, (until - 1) * count // work[-1])].append(arch)
    return shares


def _take_over(bank: ModelBank, images: Tensor, options: dict[str, Any]) -> None:
    """Make this process's scorer of rank 0's bank."""
    global _served
    _served = Scorer(bank.to(_device(bank)), images, **options)


def _score_share(shares: Sequence[Sequence[Architecture]]) -> None:
    """Send rank 0 the scores of this process's share."""
    assert _served is not None
    dist.gather_object(_attempt(_served, shares[dist.get_rank()]))


def _attempt(scorer: Scorer, archs: Sequence[Architecture]) -> Scored | ValueError:
    """Return scores, or what is wrong with the bank: the other processes wait for an answer."""
    try:
        return scorer.own(archs) if isinstance(scorer, SpreadScorer) else list(zip(archs, scorer(archs), strict=True))
    except ValueError as error:
        return error


def _device(bank: ModelBank) -> torch.device:
    device = next(bank.parameters()).device
    return torch.device("cuda", int(os.environ["LOCAL_RANK"])) if device.type == "cuda" else device
