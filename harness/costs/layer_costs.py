"""What single layers cost on a device, and in which blocks of channels it computes them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from harness.costs.channel_blocks import ChannelBlocks, Floats
from harness.costs.layer_kinds import LayerKind

FOLDS = 5

#: What may be found: the vector widths of processors and the tiles of GPUs, blocks of outputs computed together, and
#: what inputs must be a multiple of.
SIZES, GROUPS, ALIGNS = (4, 8, 16, 32), (1, 2, 4), (1, 4, 8, 16)

#: Blocks are believed in where they predict layers better than single channels by this factor, and more of a structure
#: where it predicts better than less by the other.
CONVINCING, WORTH_MORE = 0.9, 0.97


class MeasuredLayer(NamedTuple):
    """One layer that was measured by itself; `cost` is a share of the full-width subnet's latency."""

    kind: LayerKind
    inputs: int
    outputs: int
    cost: float


@dataclass(frozen=True)
class LayerCosts:
    """The cost of layers as a linear function of their blocks' features, by kind; no rate is negative."""

    blocks: ChannelBlocks
    rates: Mapping[LayerKind, Floats]
    held_out: float
    """Mean relative error of layers that the fit has not seen (5-fold)."""

    @classmethod
    def fit(cls, layers: Sequence[MeasuredLayer]) -> LayerCosts:
        """Find the blocks that predict unseen layers best, and the rates. Same layers, same answer."""
        return _fit(tuple(layers))


@functools.lru_cache(maxsize=8)  # while networks are added, the layers stay the same
def _fit(layers: tuple[MeasuredLayer, ...]) -> LayerCosts:
    kinds = list(dict.fromkeys(layer.kind for layer in layers))
    by_kind = {kind: [layer for layer in layers if layer.kind == kind] for kind in kinds}

    def error(blocks: ChannelBlocks) -> float:
        return _held_out(by_kind, blocks)

    plain = ChannelBlocks(1)
    best = _simplest(
        [ChannelBlocks(size, GROUPS[-1], align) for size in SIZES for align in ALIGNS if align <= size], error
    )
    best = _simplest([ChannelBlocks(best.size, group, best.align) for group in GROUPS], error)
    if error(best) > CONVINCING * error(plain):
        best = plain
    return LayerCosts(best, {kind: _rates(*_arrays(own, best)) for kind, own in by_kind.items()}, error(best))


def _simplest(possible: Sequence[ChannelBlocks], error: Callable[[ChannelBlocks], float]) -> ChannelBlocks:
    """Return the first whose error is not much above the least; what is simpler stands first."""
    errors = {blocks: error(blocks) for blocks in possible}
    return next(blocks for blocks in possible if WORTH_MORE * errors[blocks] <= min(errors.values()))


def predicted_costs(layers: Sequence[MeasuredLayer], blocks: ChannelBlocks) -> Floats:
    """Return what a fit to layers says of the same layers, by kind [layers]."""
    found = np.empty(len(layers))
    for kind in dict.fromkeys(layer.kind for layer in layers):
        own = [place for place, layer in enumerate(layers) if layer.kind == kind]
        features, costs = _arrays([layers[place] for place in own], blocks)
        found[own] = np.maximum(features @ _rates(features, costs), costs.min() / 2)
    return found


def _held_out(by_kind: Mapping[LayerKind, Sequence[MeasuredLayer]], blocks: ChannelBlocks) -> float:
    errors: list[float] = []
    for layers in by_kind.values():
        features, costs = _arrays(layers, blocks)
        fold = np.random.default_rng(0).permutation(len(layers)) % FOLDS
        for number in range(min(FOLDS, len(layers)) if len(layers) > 1 else 0):
            seen = fold != number
            predicted = features[~seen] @ _rates(features[seen], costs[seen])
            errors += list(np.abs(predicted / costs[~seen] - 1))
    return float(np.mean(errors)) if errors else np.inf


def _arrays(layers: Sequence[MeasuredLayer], blocks: ChannelBlocks) -> tuple[Floats, Floats]:
    widths = np.array([[layer.inputs, layer.outputs] for layer in layers], np.int64)
    return blocks.features(widths), np.array([layer.cost for layer in layers], np.float64)


def _rates(features: Floats, costs: Floats) -> Floats:
    """Return r >= 0 that minimises the relative errors sum_i (features_i . r / cost_i - 1)^2.

    By non-negative least squares (Lawson and Hanson, Solving Least Squares Problems, chapter 23).
    """
    scale = np.maximum(features.max(axis=0), 1e-12)
    rates, _ = nnls(features / scale / costs[:, None], np.ones(len(costs)))
    return np.asarray(rates / scale, np.float64)
