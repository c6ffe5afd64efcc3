from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cache, partial

import numpy as np
import pytest
import torch
from pymoo.indicators.hv import HV

from harness.bank import create_bank
from harness.search import (
    STRATEGIES,
    Candidate,
    ChosenBy,
    Found,
    Problem,
    Scorer,
    Strategy,
    evolutionary,
    greedy,
    uniform_architectures,
)
from harness.search import random as random_search
from harness.space import Architecture, Slot, Space
from tests.search.toy import (
    LIMITS,
    SPACE,
    WIDE,
    Counted,
    each,
    everything,
    log_mean,
    macs,
    problem,
    score,
    wide_cost,
    wide_score,
)

each_strategy = pytest.mark.parametrize("name", list(STRATEGIES))


@each_strategy
def test_candidates_are_valid_distinct_within_the_count_and_each_scored_once(name: ChosenBy) -> None:
    counted = Counted(score)
    found = STRATEGIES[name](problem(score=each(counted)))
    archs = [candidate.arch for candidate in found.candidates]
    assert 0 < len(archs) <= 150
    assert len(set(archs)) == len(archs)
    assert counted.asked == archs
    assert all(arch in SPACE for arch in archs)
    assert all((c.upem, c.cost, c.chosen_by) == (score(c.arch), macs(c.arch), name) for c in found.candidates)


@each_strategy
def test_every_limit_is_answered_by_a_candidate_within_it(name: ChosenBy) -> None:
    found = STRATEGIES[name](problem())
    assert len(found.answers) == len(LIMITS)
    for answer, limit in zip(found.answers, LIMITS, strict=True):
        assert answer in found.candidates
        assert answer is not None
        assert answer.cost <= limit


@each_strategy
def test_same_seed_same_answer(name: ChosenBy) -> None:
    np.random.seed(1)
    first = STRATEGIES[name](problem(seed=7))
    np.random.seed(2)
    assert STRATEGIES[name](problem(seed=7)) == first


@pytest.mark.parametrize("name", ["random", "evolution"])
def test_another_seed_another_answer(name: ChosenBy) -> None:
    assert STRATEGIES[name](problem(seed=1)).candidates != STRATEGIES[name](problem(seed=2)).candidates


@each_strategy
def test_one_evaluation_is_enough_to_run(name: ChosenBy) -> None:
    assert len(STRATEGIES[name](problem(evaluations=1)).candidates) == 1


@each_strategy
def test_a_limit_that_nothing_meets_has_no_answer(name: ChosenBy) -> None:
    found = STRATEGIES[name](problem(limits=(0.5, 1e-6)))
    assert found.answers[0] is not None
    assert found.answers[1] is None


@each_strategy
def test_a_space_smaller_than_the_count_is_searched_without_end_or_repetition(name: ChosenBy) -> None:
    space = Space("tiny", (Slot("stem", 4, 2, 2), Slot("stage1", 6, 2, 2)))
    found = STRATEGIES[name](
        problem(space=space, score=each(lambda a: 10 - sum(a)), cost=math.prod, limits=(24.0, 8.0), evaluations=30)
    )
    assert 2 <= len(found.candidates) <= 6


@each_strategy
def test_progress_ends_at_the_total(name: ChosenBy) -> None:
    calls: list[tuple[int, int]] = []
    STRATEGIES[name](problem(), progress=lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls)
    assert {total for _, total in calls} == {150}
    assert calls[-1] == (150, 150)


@each_strategy
def test_a_score_that_is_not_a_number_is_refused(name: ChosenBy) -> None:
    with pytest.raises(ValueError, match=r"the score of [0-9-]+ must be a number, not nan"):
        STRATEGIES[name](problem(score=each(lambda arch: math.nan)))


@pytest.mark.parametrize("cost", [0.0, -1.0, math.nan, math.inf])
def test_a_cost_that_is_not_a_positive_number_is_refused(cost: float) -> None:
    with pytest.raises(ValueError, match=f"the cost of 32-32-64-128 must be a positive number, not {cost}"):
        problem(cost=lambda arch: cost if arch == SPACE.full else macs(arch))
    with pytest.raises(ValueError, match=f"the cost of [0-9-]+ must be a positive number, not {cost}"):
        STRATEGIES["greedy"](problem(cost=lambda arch: macs(arch) if arch in (SPACE.full, SPACE.smallest) else cost))


def test_problems_without_limits_or_evaluations_are_refused() -> None:
    with pytest.raises(ValueError, match="limits above zero"):
        problem(limits=())
    with pytest.raises(ValueError, match="limits above zero"):
        problem(limits=(1.0, 0.0))
    with pytest.raises(ValueError, match="at least one evaluation"):
        problem(evaluations=0)


@cache
def front() -> tuple[tuple[float, float], ...]:
    """Return (UPEM, log cost) of every architecture."""
    return tuple((score(arch), math.log(macs(arch))) for arch in everything())


def hypervolume(points: Sequence[tuple[float, float]]) -> float:
    worst = np.array(front()).max(axis=0) + 1e-9
    return float(HV(ref_point=worst)(np.array(points)))


def share_of_front(found: Found) -> float:
    """Return the hypervolume of what was found over that of the exhaustive front."""
    return hypervolume([(c.upem, math.log(c.cost)) for c in found.candidates]) / hypervolume(front())


@pytest.mark.parametrize("seed", range(3))
def test_evolution_finds_the_front_with_a_tenth_of_the_evaluations(seed: int) -> None:
    everywhere = problem(evaluations=400, seed=seed, limits=(1.0, macs(SPACE.smallest)))
    assert len(front()) == 4096
    evolved = share_of_front(STRATEGIES["evolution"](everywhere))
    assert evolved >= 0.99
    assert evolved > share_of_front(STRATEGIES["random"](everywhere))


def test_evolution_spends_all_evaluations_on_new_architectures() -> None:
    assert len(STRATEGIES["evolution"](problem(evaluations=1000)).candidates) == 1000


def test_evolution_starts_from_what_it_is_given_and_from_uniform_widths() -> None:
    given = [SPACE.from_indices(indices) for indices in ((1, 14, 3), (9, 0, 7))]
    first = [c.arch for c in evolutionary.search(problem(), initial=given, population=12).candidates[:12]]
    assert first[:2] == given
    assert len(set(first[2:]) & set(uniform_architectures(SPACE))) >= 5


def test_evolution_never_loses_what_it_started_from() -> None:
    descended = greedy.search(problem())
    archs = [answer.arch for answer in descended.answers if answer]
    evolved = evolutionary.search(problem(), initial=archs)
    for before, after in zip(descended.answers, evolved.answers, strict=True):
        assert before is not None
        assert after is not None
        assert after.upem <= before.upem


@pytest.mark.parametrize(
    "search",
    [
        greedy.search,
        partial(greedy.search, rule="upem-per-cost"),
        evolutionary.search,
    ],
)
def test_guided_search_beats_the_median_random_search_of_the_same_count(search: Strategy) -> None:
    task = partial(problem, space=WIDE, score=each(wide_score), cost=wide_cost, limits=LIMITS[1:6], evaluations=250)
    yardstick = np.median([log_mean(random_search.search(task(seed=seed))) for seed in range(5)])
    assert log_mean(search(task())) < yardstick


def test_random_costs_are_uniform_on_a_log_scale_up_to_the_loosest_limit() -> None:
    low, high = math.log(wide_cost(WIDE.smallest)), math.log(0.5)
    task = problem(space=WIDE, score=each(wide_score), cost=wide_cost, limits=(0.5, 1 / 8), evaluations=300)
    found = random_search.search(task)
    places = [(math.log(c.cost) - low) / (high - low) for c in found.candidates]
    shares = np.histogram(places, bins=4, range=(0, 1))[0] / len(places)
    assert max(places) <= 1
    assert np.all(np.abs(shares - 0.25) < 0.1)


def test_uniform_answers_are_the_widest_within_each_limit() -> None:
    archs = uniform_architectures(SPACE)
    assert (archs[0], archs[-1]) == (SPACE.smallest, SPACE.full)
    assert all(macs(a) < macs(b) for a, b in itertools.pairwise(archs))
    for answer, limit in zip(STRATEGIES["uniform"](problem()).answers, LIMITS, strict=True):
        assert answer is not None
        assert answer.arch == max((arch for arch in archs if macs(arch) <= limit), key=macs)


def test_searches_share_a_scorer_over_a_real_bank() -> None:
    bank = create_bank("resnet8", ("a", "b", "c"), (1, 16, 16))
    images = torch.randn(8, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    scorer = Scorer(bank, images)

    def weights(arch: Architecture) -> float:
        stem, one, two, three, in_one, in_two, in_three = arch
        return 9 * (
            stem + stem * in_one + in_one * one + one * in_two + in_two * two + two * in_three + in_three * three
        )

    full = weights(bank.space.full)
    task = Problem(bank.space, scorer, lambda arch: weights(arch) / full, (1.0, 1 / 8, 1 / 64), evaluations=40)
    pooled: list[Candidate] = []
    for name, search in STRATEGIES.items():
        found = search(task)
        pooled += found.candidates
        assert all(c.upem == scorer.scores[c.arch] for c in found.candidates), name
    assert found.answers[0] is not None
    assert scorer.evaluations == len({c.arch for c in pooled})
    uniform_full = next(c for c in pooled if c.arch == bank.space.full)
    assert uniform_full.upem == 0
    assert partial(evolutionary.search, initial=[bank.space.full])(task).answers[0] == Candidate(
        bank.space.full, 0.0, 1.0, "evolution"
    )
