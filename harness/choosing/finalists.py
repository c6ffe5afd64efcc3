"""From scored candidates to the subnets that keep their budgets on the device."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from devices import Precision
from harness.bank import Architecture
from harness.costs import ComplexityCounter
from harness.measuring import MeasurementError
from harness.results import DeviceResults
from harness.search import (
    ENERGY,
    LATENCY,
    MEMORY,
    Budget,
    Candidate,
    Cost,
    InfeasibleBudget,
    Kind,
    Selection,
    costs_of,
    describe,
    select,
)

#: Next best candidates that are exported and measured too; in int8 one more, for what the bank ranks close together,
#: quantising may rank otherwise.
RUNNERS_UP: dict[Precision, int] = {"fp32": 1, "fp16": 1, "int8": 2}

#: A cost model is not taken to be wrong by more than this.
MOST_MARGIN = 0.25


def shortlist(
    candidates: Sequence[Candidate],
    budgets: Iterable[Budget],
    results: DeviceResults,
    counter: ComplexityCounter,
    *,
    last_resort: bool = False,
) -> tuple[list[Selection], list[InfeasibleBudget]]:
    """Return for every budget the best candidate, its runner-up and, where a cost is predicted, cautious choices.

    A prediction may be wrong by what its model's held-out error says, so the same budget tightened by the 90th
    percentile of it, and by twice that, gives further candidates, to be measured in the first one's place if that
    fails. The `last_resort` is the candidate predicted to spend the least of its budget, however much it loses; where
    latency is limited, what fails gives the model a chance to choose better before that is needed.
    """
    costs = results.costs(counter)
    selections, misses = select(candidates, budgets, costs, runners_up=RUNNERS_UP[results.precision])
    margins = _margins(results)
    for index, selection in enumerate(selections):
        budget = selection.budget
        tightened = [_tightened(budget, margins, times) for times in (1, 2)]
        cautious = [s.best for s in select(candidates, tightened, costs, runners_up=0)[0]]
        if margins.keys() & set(budget.kinds) and (last_resort or LATENCY not in budget.kinds):
            cautious.append(least_spending(candidates, budget, costs))
        others = dict.fromkeys([*selection.runners_up, *cautious])
        others.pop(selection.best, None)
        selections[index] = replace(selection, runners_up=tuple(others))
    return selections, misses


def least_spending(candidates: Iterable[Candidate], budget: Budget, costs: Mapping[Kind, Cost]) -> Candidate:
    """Return the candidate that spends the least of a budget."""
    return min(candidates, key=lambda c: budget.load(costs_of(c.arch, costs, budget.kinds)))


def choose(
    selections: Sequence[Selection], results: DeviceResults, counter: ComplexityCounter
) -> dict[Budget, Architecture]:
    """Return for every budget the best measured candidate that surely keeps it; else one that may; else the best."""
    chosen = {}
    for selection in selections:
        order = best_first(selection, results)
        verdicts = {arch: results.verdict(selection.budget, arch, counter) for arch in order}
        for wanted in ("yes", "borderline", "no"):
            fitting = [arch for arch in order if verdicts[arch] == wanted]
            if fitting:
                chosen[selection.budget] = fitting[0]
                break
    return chosen


def shortfalls(
    selections: Sequence[Selection], results: DeviceResults, counter: ComplexityCounter
) -> list[MeasurementError | InfeasibleBudget]:
    """Return what keeps the chosen subnets from being answers: nothing measured, every limit missed, too much noise."""
    problems: list[MeasurementError | InfeasibleBudget] = []
    for selection in selections:
        budget, where = selection.budget, f"on {results.name}"
        if budget not in results.chosen:
            best = selection.best.arch
            reason = results.doubt(best) or results.measured[best].reason
            problems.append(MeasurementError(f"no finalist for budget {budget.label} can be used {where}: {reason}"))
            continue
        arch = results.chosen[budget]
        verdict, measurement = results.verdict(budget, arch, counter), results.measured[arch]
        unknown = results.unknown(budget, arch)
        if verdict == "no":
            spent = [results.spent(arch, counter) for arch in best_first(selection, results)]
            nearest = describe(budget, min(spent, key=budget.load))
            problems.append(InfeasibleBudget(budget, f"the nearest finalist measured {where} needs {nearest}"))
        elif verdict == "borderline" and (unknown or measurement.verdict != "ok"):
            reason = "; ".join(unknown) or measurement.reason
            problems.append(MeasurementError(f"whether budget {budget.label} is kept {where} is undecided: {reason}"))
    return problems


def best_first(selection: Selection, results: DeviceResults) -> list[Architecture]:
    """Return the subnets of a budget that were measured and whose answers are right, by UPEM as they are deployed."""
    archs = [candidate.arch for candidate in (selection.best, *selection.runners_up)]
    able = [arch for arch in archs if results.measured[arch].summary and not results.doubt(arch)]

    def loss(arch: Architecture) -> float:
        upem = results.deployed_upem(arch)
        return math.inf if upem is None else upem

    return sorted(able, key=loss)


def _margins(results: DeviceResults) -> dict[Kind, float]:
    """Return by how much predicted costs may be wrong, as shares."""
    errors: dict[Kind, float] = {}
    if results.latency_error:
        errors[LATENCY] = results.latency_error.p90
    for kind, model in ((MEMORY, results.memory_model), (ENERGY, results.energy_model)):
        if model:
            errors[kind] = model.p90_error
    return {kind: min(error, MOST_MARGIN) for kind, error in errors.items()}


def _tightened(budget: Budget, margins: Mapping[Kind, float], times: int) -> Budget:
    shares = {kind: 1 - times * margin for kind, margin in margins.items()}
    return Budget(tuple(replace(limit, value=limit.value * shares.get(limit.kind, 1.0)) for limit in budget.limits))
