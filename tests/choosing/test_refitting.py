"""What fails its latency budget is replaced by what a corrected model chooses, a bounded number of times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from devices import load_profile
from harness.bank import create_bank
from harness.choosing.finalists import choose, shortlist
from harness.choosing.refitting import MOST_REFITS, refit, replace_failed
from harness.costs import ComplexityCounter, CostModel, LayerTable, MeasuredLayer, Observations
from harness.measuring import Measurement, Subject
from harness.results.device_results import DeviceResults
from harness.search import COMPUTE, LATENCY, Candidate, Kind, Selection, parse_budgets
from harness.space import Architecture
from tests.measuring.records import FINGERPRINT, record

BANK = create_bank("resnet8", ["a", "b"], (1, 16, 16))
COUNTER, TABLE = ComplexityCounter(BANK), LayerTable(BANK)
SPACE = BANK.space

#: The full width takes this long when it explores.
EXPLORED_MS = 6.0


def share(arch: Architecture) -> float:
    """The latency of a made-up device as a share of the full width's."""
    return _units(arch) / _units(SPACE.full)


def _units(arch: Architecture) -> float:
    return sum(_layer(*widths) for widths in TABLE.layer_widths(arch))


def _layer(inputs: int, outputs: int) -> float:
    return 20 + inputs * outputs / 8


def explored(networks: int = 40) -> Observations:
    rng = np.random.default_rng(1)
    layers = []
    for _ in range(40):
        widths = TABLE.layer_widths(SPACE.sample(rng))
        for kind, places in TABLE.kinds.items():
            own = widths[places[0]]
            layers.append(MeasuredLayer(kind, *own, _layer(*own) / _units(SPACE.full)))
    archs = dict.fromkeys(SPACE.sample(rng) for _ in range(networks))
    return Observations(EXPLORED_MS, tuple(layers), tuple((arch, share(arch)) for arch in archs))


def measured(share_of_anchor: float, anchor_ms: float) -> Measurement:
    own, anchor = (((round(ms * 1e6),) * 20,) * 5 for ms in (share_of_anchor * anchor_ms, anchor_ms))
    return Measurement(Subject("s", Path("s.onnx"), "t"), tuple(record(own, anchor) for _ in range(6)), "ok")


class Verification:
    """What is measured of finalists on the made-up device, when the full width takes `anchor_ms`."""

    def __init__(self, options: dict[Kind, str], anchor_ms: float = EXPLORED_MS, times: float = 1.0) -> None:
        """Every other subnet takes `times` as long as when it was explored."""
        rng = np.random.default_rng(2)
        archs = dict.fromkeys(SPACE.sample(rng) for _ in range(150))
        loss = {arch: 1 - COUNTER.compute_fraction(arch) for arch in archs}
        self.candidates = [Candidate(arch, upem, 1 - upem, "random") for arch, upem in loss.items()]
        self.results = DeviceResults(load_profile("cpu"), "fp32", FINGERPRINT, list(parse_budgets(options)))
        self.results.upem = loss
        self.results.observations = explored()
        self.results.latency_model = CostModel(TABLE, self.results.observations)
        self.tried: dict[Architecture, None] = {}
        self.calls = 0
        self._anchor_ms, self._times = anchor_ms, times

    def measure(self, selections: Sequence[Selection]) -> None:
        self.calls += 1
        new = [c.arch for s in selections for c in (s.best, *s.runners_up)]
        assert not self.tried.keys() & set(new), "measured a second time"
        self.tried |= dict.fromkeys(new)
        self.results.add({arch: measured(self._times * share(arch), self._anchor_ms) for arch in new})

    def run(self) -> list[Selection]:
        selections, _ = shortlist(self.candidates, self.results.budgets, self.results, COUNTER)
        self.measure(selections)
        found = replace_failed(
            selections, self.candidates, self.results, COUNTER, TABLE, self.tried.keys(), self.measure
        )
        self.results.chosen = choose(found, self.results, COUNTER)
        return found

    def verdicts(self) -> list[str]:
        return [self.results.verdict(budget, arch, COUNTER) for budget, arch in self.results.chosen.items()]


def test_a_right_model_is_not_asked_twice() -> None:
    verification = Verification({LATENCY: "4,5"})
    verification.run()
    assert verification.calls == 1
    assert verification.verdicts() == ["yes", "yes"]


def test_a_device_that_became_slower_is_learned_of_and_what_fails_is_replaced() -> None:
    verification = Verification({LATENCY: "4"}, anchor_ms=1.2 * EXPLORED_MS)
    (selection,) = verification.run()
    assert verification.results.verdict(selection.budget, selection.best.arch, COUNTER) == "no"
    assert verification.verdicts() == ["yes"]
    assert verification.calls == 2
    # Not only kept, but by about the least loss that keeps it.
    able = [c for c in verification.candidates if share(c.arch) * 1.2 * EXPLORED_MS <= 4]
    (chosen,) = verification.results.chosen.values()
    ranked = sorted(able, key=lambda c: c.upem)
    assert chosen in [c.arch for c in ranked[:3]]


def test_the_refitted_model_is_nearer_to_what_the_finalists_took() -> None:
    verification = Verification({LATENCY: "4"}, times=1.15)
    before = verification.results.latency_model
    verification.run()
    after = verification.results.latency_model
    assert before is not None
    assert after is not None
    errors = [
        np.mean([abs(model.predict_ms(arch) / (1.15 * share(arch) * EXPLORED_MS) - 1) for arch in verification.tried])
        for model in (before, after)
    ]
    assert errors[1] < errors[0]


def test_a_budget_that_nothing_keeps_ends_after_so_many_rounds() -> None:
    verification = Verification({LATENCY: "4"}, anchor_ms=100 * EXPLORED_MS)
    verification.run()
    assert verification.calls == 1 + MOST_REFITS
    assert verification.verdicts() == ["no"]
    fastest = min((c.arch for c in verification.candidates), key=share)
    assert fastest in verification.tried, "the nearest miss is known"


def test_rounds_end_where_every_candidate_was_tried() -> None:
    verification = Verification({LATENCY: "4"}, anchor_ms=100 * EXPLORED_MS)
    verification.candidates = verification.candidates[:3]
    verification.run()
    assert set(verification.tried) <= {c.arch for c in verification.candidates}
    assert verification.calls <= 1 + MOST_REFITS


def test_only_the_budget_that_failed_is_asked_again() -> None:
    verification = Verification({LATENCY: "4,1000"}, anchor_ms=1.2 * EXPLORED_MS)
    tight, loose = verification.run()
    first, _ = shortlist(verification.candidates, [loose.budget], verification.results, COUNTER)
    assert len(loose.runners_up) <= len(first[0].runners_up) + 1
    assert len(tight.runners_up) > len(loose.runners_up)


def test_what_limits_no_latency_is_not_replaced() -> None:
    verification = Verification({COMPUTE: "1/2"}, anchor_ms=100 * EXPLORED_MS)
    verification.run()
    assert verification.calls == 1


def test_a_finalist_takes_the_place_of_its_exploring_and_a_failure_teaches_nothing() -> None:
    verification = Verification({LATENCY: "4"})
    results = verification.results
    assert results.observations is not None
    seen, _ = results.observations.networks[0]
    before = results.latency_model
    results.add({seen: Measurement(Subject("s", Path("s.onnx"), "t"), (), "failed", "it fell")})
    refit(results, TABLE)
    assert results.latency_model is before
    results.add({seen: measured(share(seen), 2 * EXPLORED_MS)})
    refit(results, TABLE)
    assert results.latency_model is not None
    assert results.latency_model.anchor_ms == pytest.approx(2 * EXPLORED_MS)
    assert results.latency_model.predict_ms(seen) == pytest.approx(2 * EXPLORED_MS * share(seen), rel=0.05)
