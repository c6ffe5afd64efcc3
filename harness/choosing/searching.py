"""The searches of one run: which the budgets ask for, and every strategy's answer to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.bank import Architecture, ModelBank, StandaloneBank
from harness.choosing.comparisons import latency_by_macs
from harness.console import Advance
from harness.costs import ComplexityCounter
from harness.results import DeviceResults
from harness.running import RunSettings
from harness.search import (
    COMPUTE,
    LATENCY,
    STRATEGIES,
    Budget,
    Candidate,
    Cost,
    Halving,
    Kind,
    Problem,
    Scorer,
    costs_of,
    evolutionary,
    select,
)

#: Halving looks first at every so many-th image.
HALVING_EVERY = 4

#: Searches of how many joint budgets are made at full length; more of them share that time.
JOINT_SEARCHES = 8


@dataclass(frozen=True)
class Search:
    """One problem, given to every strategy: a cost, limits on it, and the evaluations each strategy may spend."""

    cost: Cost
    limits: tuple[float, ...]
    evaluations: int


def searches(budgets: Sequence[Budget], costs: Mapping[Kind, Cost], evaluations: int) -> list[Search]:
    """Return what to search for the budgets, with predicted or exact `costs`.

    Budgets that limit one cost alone share a search of that cost. Every joint budget has its own, of its load: the
    largest share of any of its limits that is spent. Joint ones together have the evaluations of `JOINT_SEARCHES`.
    """
    alone: dict[Kind, list[float]] = {}
    joint = [budget for budget in budgets if len(budget.limits) > 1]
    for budget in budgets:
        if len(budget.limits) == 1:
            alone.setdefault(budget.limits[0].kind, []).append(budget.limits[0].value)
    share = max(1, evaluations * min(JOINT_SEARCHES, len(joint)) // max(1, len(joint)))
    return [
        *(Search(costs[kind], tuple(dict.fromkeys(limits)), evaluations) for kind, limits in alone.items()),
        *(Search(_load(budget, costs), (1.0,), share) for budget in joint),
    ]


def number_of_searches(budgets: Sequence[Budget]) -> int:
    """Return how many searches the budgets ask for."""
    return len({budget.kinds if len(budget.limits) == 1 else budget for budget in budgets})


def _load(budget: Budget, costs: Mapping[Kind, Cost]) -> Cost:
    return lambda arch: budget.load(costs_of(arch, costs, budget.kinds))


def find_candidates(
    bank: ModelBank, scorer: Scorer, results: DeviceResults, settings: RunSettings, advance: Advance
) -> list[Candidate]:
    """Give every search that the budgets ask for, and its counterpart, to every strategy, as many evaluations each.

    Where networks were trained apart there is nothing to search: they are the candidates.
    """
    counter = ComplexityCounter(bank)
    if isinstance(bank, StandaloneBank):
        return [
            Candidate(arch, upem, counter.compute_fraction(arch), "uniform")
            for arch, upem in zip(bank.archs, scorer(bank.archs), strict=True)
        ]
    # What profiling began with is a sample of the space; the hundreds measured after it need no score of their own.
    scorer(list(results.measured)[: settings.effort.profiled])
    asked = searches(results.budgets, results.costs(counter), settings.effort.evaluations)
    opposed = opposed_kinds(results)
    total = len(STRATEGIES) * (sum(search.evaluations for search in asked) + len(opposed) * settings.effort.evaluations)
    done = 0
    candidates: list[Candidate] = []

    def all_strategies(search: Search) -> None:
        nonlocal done
        candidates.extend(_searched(bank, scorer, search, settings, lambda own: advance(done + own, total)))
        done += len(STRATEGIES) * search.evaluations

    for search in asked:
        all_strategies(search)
    for kind in opposed:
        all_strategies(_counterpart(kind, candidates, results, counter, settings.effort.evaluations))
    return candidates


def opposed_kinds(results: DeviceResults) -> list[Kind]:
    """Return which of multiply-adds and latency are limited alone, where both are known to be searched.

    What one of them chooses is compared with what the other does (`harness.choosing.comparisons`), which needs its
    search too.
    """
    if results.latency_model is None:
        return []
    return [kind for kind in (COMPUTE, LATENCY) if any(budget.kinds == (kind,) for budget in results.budgets)]


def _counterpart(
    kind: Kind, candidates: Sequence[Candidate], results: DeviceResults, counter: ComplexityCounter, evaluations: int
) -> Search:
    """Return the search by latency beside one by multiply-adds, or the other way round.

    At the latencies of what multiply-adds choose; and at the same latencies, as multiply-adds alone predict them.
    """
    alone = [budget for budget in results.budgets if budget.kinds == (kind,)]
    costs = results.costs(counter)
    if kind == COMPUTE:
        chosen = [selection.best.arch for selection in select(candidates, alone, costs, runners_up=0)[0]]
        return Search(costs[LATENCY], tuple(dict.fromkeys(costs[LATENCY](arch) for arch in chosen)), evaluations)
    assert results.observations
    limits = tuple(dict.fromkeys(limit.value for budget in alone for limit in budget.limits))
    return Search(latency_by_macs(results.observations, counter), limits, evaluations)


def _searched(
    bank: ModelBank, scorer: Scorer, search: Search, settings: RunSettings, advance: Callable[[int], None]
) -> list[Candidate]:
    """Return what every strategy scores; evolution starts from the answers of those before it."""
    halving = Halving(scorer.on_part(HALVING_EVERY), 1 / HALVING_EVERY) if settings.effort.halving else None
    problem = Problem(bank.space, scorer, search.cost, search.limits, search.evaluations, settings.seed, halving)
    answers: tuple[Architecture, ...] = ()
    candidates: list[Candidate] = []
    for number, (name, strategy) in enumerate(STRATEGIES.items()):

        def progress(done: int, _: int, before: int = number * search.evaluations) -> None:
            advance(before + done)

        if name == "evolution":
            found = evolutionary.search(problem, initial=answers, progress=progress)
        else:
            found = strategy(problem, progress=progress)
        answers += tuple(answer.arch for answer in found.answers if answer)
        candidates += found.candidates
    return candidates
