"""What single layers cost on a device, as a linear function of their channel blocks."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from harness.costs.channel_blocks import ChannelBlocks, Floats
from harness.costs.layer_kinds import LayerKind

FOLDS = 5


class MeasuredLayer(NamedTuple):
    """One layer that was measured by itself; `cost` is a share of the full-width subnet's latency."""

    kind: LayerKind
    inputs: int
    outputs: int
    cost: float


def layer_rates(layers: Sequence[MeasuredLayer], blocks: ChannelBlocks) -> Mapping[LayerKind, Floats]:
    """Return by kind the rates of the features of `blocks` that predict single layers best; none is negative."""
    return _layer_rates(tuple(layers), blocks)


@functools.lru_cache(maxsize=64)  # while networks are added, the layers stay the same
def _layer_rates(layers: tuple[MeasuredLayer, ...], blocks: ChannelBlocks) -> Mapping[LayerKind, Floats]:
    kinds = dict.fromkeys(layer.kind for layer in layers)
    return {kind: _rates(*_arrays([layer for layer in layers if layer.kind == kind], blocks)) for kind in kinds}


def held_out_layers(layers: Sequence[MeasuredLayer], blocks: ChannelBlocks) -> float:
    """Return the mean relative error of single layers that the fit has not seen (5-fold, by kind)."""
    return _held_out(tuple(layers), blocks)


@functools.lru_cache(maxsize=64)
def _held_out(layers: tuple[MeasuredLayer, ...], blocks: ChannelBlocks) -> float:
    errors: list[float] = []
    for kind in dict.fromkeys(layer.kind for layer in layers):
        features, costs = _arrays([layer for layer in layers if layer.kind == kind], blocks)
        fold = np.random.default_rng(0).permutation(len(costs)) % FOLDS
        for number in range(min(FOLDS, len(costs)) if len(costs) > 1 else 0):
            seen = fold != number
            predicted = features[~seen] @ _rates(features[seen], costs[seen])
            errors += list(np.abs(predicted / costs[~seen] - 1))
    return float(np.mean(errors)) if errors else np.inf


def predicted_costs(layers: Sequence[MeasuredLayer], blocks: ChannelBlocks) -> Floats:
    """Return what a fit to layers says of the same layers, by kind [layers]."""
    found = np.empty(len(layers))
    for kind, rates in layer_rates(layers, blocks).items():
        own = [place for place, layer in enumerate(layers) if layer.kind == kind]
        features, costs = _arrays([layers[place] for place in own], blocks)
        found[own] = np.maximum(features @ rates, costs.min() / 2)
    return found


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
