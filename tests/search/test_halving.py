from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from harness.bank import create_bank
from harness.search import STRATEGIES, ChosenBy, Halving, Scorer
from harness.space import Architecture
from tests.bank.factory import images_for
from tests.search.toy import Counted, each, problem, score

HALVED: tuple[ChosenBy, ...] = ("random", "evolution")


@pytest.mark.parametrize("name", HALVED)
@pytest.mark.parametrize("part", [1 / 4, 1 / 8])
def test_looks_count_by_their_part_of_the_images(name: ChosenBy, part: float) -> None:
    looks, full = Counted(score), Counted(score)
    found = STRATEGIES[name](problem(score=each(full), halving=Halving(each(looks), part)))
    assert full.asked == [candidate.arch for candidate in found.candidates]
    assert len(set(looks.asked)) == len(looks.asked) > len(full.asked)
    assert 150 * 0.8 < len(full.asked) + part * len(looks.asked) <= 150


@pytest.mark.parametrize("name", ["greedy", "uniform"])
def test_searches_that_need_every_score_look_at_nothing_first(name: ChosenBy) -> None:
    looks = Counted(score)
    assert STRATEGIES[name](problem(halving=Halving(each(looks), 1 / 4))) == STRATEGIES[name](problem())
    assert looks.asked == []


@pytest.mark.parametrize("name", HALVED)
def test_a_look_that_tells_the_truth_finds_better_answers_for_the_same_evaluations(name: ChosenBy) -> None:
    def mean(halving: Halving | None) -> float:
        runs = [
            STRATEGIES[name](problem(halving=halving, seed=seed, limits=(1 / 2, 1 / 8, 1 / 32))) for seed in range(4)
        ]
        return sum(math.log(answer.upem) for run in runs for answer in run.answers if answer)

    assert mean(Halving(each(score), 1 / 8)) < mean(None)


@pytest.mark.parametrize("name", HALVED)
def test_few_evaluations_are_enough_to_run(name: ChosenBy) -> None:
    found = STRATEGIES[name](problem(evaluations=8, halving=Halving(each(score), 1 / 4)))
    assert 1 <= len(found.candidates) <= 8


def test_the_best_of_each_octave_of_cost_survive_in_their_order() -> None:
    costs: dict[Architecture, float] = {(1,): 1.0, (2,): 1.1, (3,): 1.9, (4,): 1.2, (5,): 4.0, (6,): 7.9}
    scores: dict[Architecture, float] = {(1,): 0.4, (2,): 0.3, (3,): 0.2, (4,): 0.1, (5,): 9.0, (6,): 8.0}
    halving = Halving(each(score), 1 / 8, keep=0.5)
    assert halving.survivors(scores, costs.__getitem__) == [(3,), (4,), (6,)]


@pytest.mark.parametrize(("part", "keep"), [(0, 0.5), (1, 0.5), (0.5, 0), (0.5, 1)])
def test_shares_that_are_none_are_refused(part: float, keep: float) -> None:
    with pytest.raises(ValueError, match="shares between 0 and 1"):
        Halving(each(score), part, keep)


def test_a_scorer_on_a_part_has_the_same_options_and_fewer_images() -> None:
    bank = create_bank("resnet8", ("a", "b", "c"), (1, 16, 16))
    images = images_for(bank, 12)
    whole = Scorer(bank, images, anchor="ensemble", norm="l1", sharpening=0.5)
    archs: Sequence[Architecture] = [bank.space.smallest, bank.space.full]
    expected = Scorer(bank, images[::3], anchor="ensemble", norm="l1", sharpening=0.5)(archs)
    assert whole.on_part(3)(archs) == pytest.approx(expected, abs=1e-6)
