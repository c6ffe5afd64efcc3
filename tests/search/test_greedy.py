"""Greedy search: what it drops, in which order and how finely."""

from __future__ import annotations

import itertools

import pytest

from harness.search import (
    greedy,
)
from tests.search.toy import (
    LIMITS,
    SPACE,
    WIDE,
    Counted,
    each,
    even_score,
    log_mean,
    macs,
    problem,
    score,
    wide_cost,
)


def test_greedy_nets_inherit_from_larger_ones() -> None:
    answers = [answer for answer in greedy.search(problem()).answers if answer]
    assert answers[0].arch == SPACE.full
    assert len({answer.arch for answer in answers}) == len(LIMITS)
    for larger, smaller in itertools.pairwise(answers):
        assert all(small <= large for small, large in zip(smaller.arch, larger.arch, strict=True))


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_greedy_keeps_the_drop_of_lowest_score_at_every_step(share: float) -> None:
    counted = Counted(score)
    found = greedy.search(problem(score=each(counted), evaluations=1000), share=share)
    arch, asked = SPACE.full, [SPACE.full]
    while macs(arch) > min(LIMITS):
        drops = SPACE.drops(arch, share)
        asked += drops
        arch = min(drops, key=score)
    assert counted.asked == list(dict.fromkeys(asked))
    assert found.answers[-1] is not None
    assert found.answers[-1].arch == arch


@pytest.mark.parametrize("evaluations", [40, 80, 150, 500])
def test_greedy_answers_every_limit_within_its_evaluations(evaluations: int) -> None:
    found = greedy.search(problem(evaluations=evaluations, limits=(*LIMITS, macs(SPACE.smallest))))
    assert None not in found.answers
    assert len(found.candidates) <= evaluations


def test_greedy_without_evaluations_enough_leaves_tight_limits_unanswered() -> None:
    found = greedy.search(problem(evaluations=20), share=0.1)
    assert found.answers[0] is not None
    assert found.answers[-1] is None
    assert len(found.candidates) <= 20


def test_greedy_drops_finer_the_more_evaluations_there_are() -> None:
    shares = [greedy.finest_share(SPACE, evaluations) for evaluations in (1, 50, 100, 1000)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]
    with pytest.raises(ValueError, match="between 0 and 1, not 1"):
        greedy.search(problem(), share=1.0)


def test_greedy_by_upem_per_cost_does_not_waste_upem_on_drops_that_save_nothing() -> None:
    task = problem(space=WIDE, score=each(even_score), cost=wide_cost, limits=LIMITS[1:6], evaluations=250)
    assert log_mean(greedy.search(task, rule="upem-per-cost")) < log_mean(greedy.search(task))


def test_greedy_by_upem_per_cost_leaves_a_slot_that_costs_nothing_alone() -> None:
    task = problem(cost=lambda arch: 1.0 + arch[2] + arch[3], limits=(60.0,), evaluations=500)
    (answer,) = greedy.search(task, rule="upem-per-cost").answers
    assert answer is not None
    assert answer.arch[1] == SPACE.full[1]
    (plain,) = greedy.search(task).answers
    assert plain is not None
    assert plain.arch[1] < SPACE.full[1]
