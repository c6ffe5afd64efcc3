"""What single layers cost on a device, and in which blocks of channels it computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from harness.costs.channel_blocks import POSSIBLE, ChannelBlocks, Floats
from harness.costs.layer_kinds import LayerKind

FOLDS = 5

#: Blocks are believed in where they predict layers better than single channels by this factor.
CONVINCING = 0.9


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
        kinds = list(dict.fromkeys(layer.kind for layer in layers))
        by_kind = {kind: [layer for layer in layers if layer.kind == kind] for kind in kinds}
        errors = {blocks: _held_out(by_kind, blocks) for blocks in POSSIBLE}
        plain, best = POSSIBLE[0], min(POSSIBLE, key=lambda blocks: errors[blocks])
        if errors[best] > CONVINCING * errors[plain]:
            best = plain
        return cls(best, {kind: _rates(*_arrays(own, best)) for kind, own in by_kind.items()}, errors[best])


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
