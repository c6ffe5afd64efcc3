"""What to measure next: single layers at many widths, and the networks from which the cost model learns most."""

from __future__ import annotations

import numpy as np

from harness.bank import Architecture
from harness.costs import ComplexityCounter, CostModel, LayerKind, LayerTable, Widths
from harness.profiling.pool import RUNGS
from harness.search import Problem, evolutionary
from harness.space import Space

#: A network of a rung has this share of the rung's multiply-adds, at least.
BELOW = 0.6

#: Widths at which a kind of layer is measured by itself, at most.
LAYER_WIDTHS = 64

#: Random networks of a rung, of which those are measured that the model is least sure of.
CANDIDATES = 36

#: One of so many networks is one that the model predicts to be fast; each search for them scores so many.
FAST, FAST_EVALUATIONS = 3, 480

#: Multiply-adds of fast networks, as a share of a rung's.
BETWEEN = 0.75


class NextMeasured:
    """Chooses what to measure; the seed and the model alone decide."""

    def __init__(self, space: Space, counter: ComplexityCounter, table: LayerTable, seed: int) -> None:
        self._space = space
        self._counter = counter
        self._table = table
        self._seed = seed
        self._least = counter.compute_fraction(space.smallest)

    def layers(self) -> list[tuple[LayerKind, Widths]]:
        """Return the layers to measure: the widest and narrowest of each kind first, then as networks have them."""
        rng = np.random.default_rng(self._seed)
        drawn = [self._space.full, self._space.smallest, *(self._space.sample(rng) for _ in range(8 * LAYER_WIDTHS))]
        widths = [self._table.layer_widths(arch) for arch in drawn]
        by_kind = [
            (kind, list(dict.fromkeys(row[layers[number % len(layers)]] for number, row in enumerate(widths))))
            for kind, layers in self._table.kinds.items()
        ]
        return [(kind, own[place]) for place in range(LAYER_WIDTHS) for kind, own in by_kind if place < len(own)]

    def unsure(self, model: CostModel, per_rung: int, batch: int) -> list[Architecture]:
        """Return, of random networks at every rung, those whose latency the model is least sure of."""
        rng = np.random.default_rng([self._seed, 1, batch])
        chosen: list[Architecture] = []
        for rung in RUNGS:
            drawn = [arch for _ in range(CANDIDATES) if (arch := self._near(rung, rng))]
            if drawn:
                order = np.argsort(-model.uncertainty(drawn))
                chosen += [drawn[place] for place in order[:per_rung]]
        return chosen

    def fast(self, model: CostModel, count: int, batch: int) -> list[Architecture]:
        """Return networks that the model predicts fast for their multiply-adds, `count` between every two rungs.

        There a search will look, and find wherever the model is too low: no random network is like them.
        """
        aims = tuple(1 / (BETWEEN * rung) for rung in RUNGS if BETWEEN * rung > self._least)
        found: list[Architecture] = []
        for number in range(count):
            problem = Problem(
                self._space,
                score=lambda archs: model.predict_all_ms(archs).tolist(),
                cost=lambda arch: 1 / self._counter.compute_fraction(arch),
                limits=aims,
                evaluations=FAST_EVALUATIONS,
                seed=int(np.random.default_rng([self._seed, 3, batch, number]).integers(2**31)),
            )
            found += [answer.arch for answer in evolutionary.search(problem).answers if answer]
        return found

    def random(self, per_rung: int) -> list[Architecture]:
        """Return random networks, so many at every rung."""
        rng = np.random.default_rng([self._seed, 2])
        return [arch for rung in RUNGS for _ in range(per_rung) if (arch := self._near(rung, rng))]

    def _near(self, rung: float, rng: np.random.Generator) -> Architecture | None:
        return self._space.sample_within(rng, self._counter.compute_fraction, BELOW * rung, rung)
