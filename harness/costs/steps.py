"""Widths that cost the same: the steps of a device's latency, as its cost model has learnt them."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from harness.bank import Architecture
from harness.costs.complexity import ComplexityCounter
from harness.costs.cost_model import CostModel
from harness.space import Space

#: Share of the full multiply-adds at which the other widths stand while one of them varies.
REFERENCE = 1 / 8

#: A step between neighbouring widths costs nothing where it adds less than this share of the slot's mean step.
NOTHING = 0.1

#: Standard errors by which a step must be below the mean one: many are looked at, and few should be there by chance.
SURE = 3.0

Run = tuple[int, int]
"""The narrowest and the widest of consecutive widths, of which none costs noticeably more than a narrower one."""


def reference(counter: ComplexityCounter) -> Architecture:
    """Return the uniform architecture nearest to `REFERENCE` of the full compute."""
    uniform = dict.fromkeys(counter.space.uniform(ratio) for ratio in np.linspace(0.01, 1.0, 400))
    return min(uniform, key=lambda arch: abs(np.log(counter.compute_fraction(arch) / REFERENCE)))


def find_steps(model: CostModel, space: Space, others: Architecture) -> dict[str, list[Run]]:
    """Return for every free slot the runs of widths that cost nothing extra, the other slots as in `others`.

    By the model each of their steps adds next to nothing, and less than the slot's mean step for sure. Slots without
    any are left out: all of them where the device computes single channels.
    """
    if model.blocks.size == 1:
        return {}
    found = {space.slots[index].name: _runs(model, space, others, index) for index in space.free}
    return {name: runs for name, runs in found.items() if runs}


def _runs(model: CostModel, space: Space, others: Architecture, index: int) -> list[Run]:
    widths, archs = space.slots[index].choices, _varied(space, others, index)
    if len(widths) == 1:
        return []
    rises, errors = model.differences_ms(archs[:-1], archs[1:])
    share = rises.mean()
    if share <= 0:  # the model knows nothing of what width costs here
        return []
    flat = (rises < NOTHING * share) & (rises + SURE * errors < share)
    runs = [[place for place, _ in own] for is_flat, own in groupby(enumerate(flat), lambda pair: pair[1]) if is_flat]
    return [(widths[own[0]], widths[own[-1] + 1]) for own in runs]


def _varied(space: Space, others: Architecture, index: int) -> list[Architecture]:
    """Return `others` with every width of one free slot, and what is tied to it, in ascending order."""
    place, taken = space.free.index(index), space.to_indices(others)
    choices = range(len(space.slots[index].choices))
    return [space.from_indices((*taken[:place], choice, *taken[place + 1 :])) for choice in choices]
