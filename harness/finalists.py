"""From scored candidates to the subnets that keep their budgets on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.bank import Architecture
from harness.costs import ComplexityCounter
from harness.measuring import MeasurementError
from harness.search import COMPUTE, LATENCY, Budget, Candidate, Cost, InfeasibleBudget, Kind, Selection, select
from harness.search.budgets import describe
from harness.tradeoff import DeviceResults

RUNNERS_UP = 1


def shortlist(
    candidates: Sequence[Candidate], results: DeviceResults, counter: ComplexityCounter
) -> tuple[list[Selection], list[InfeasibleBudget]]:
    """Return for every budget the best candidate, its runner-up and, where latency is predicted, cautious choices.

    A prediction may be wrong by what the latency model's held-out error says, so the same budget tightened by its 90th
    percentile, and by twice that, gives further candidates, to be measured in the first one's place if that fails; the
    candidate predicted fastest is the last of them.
    """
    costs: dict[Kind, Cost] = {COMPUTE: counter.compute_fraction}
    if results.latency_model:
        costs[LATENCY] = results.latency_model.predict_ms
    selections, misses = select(candidates, results.budgets, costs, runners_up=RUNNERS_UP)
    margin = min(results.latency_model.held_out.p90, 0.25) if results.latency_model else 0.0
    for index, selection in enumerate(selections):
        tightened = [_tightened(selection.budget, share) for share in (margin, 2 * margin)]
        cautious = [s.best for s in select(candidates, tightened, costs, runners_up=0)[0]]
        if any(limit.kind == LATENCY for limit in selection.budget.limits):
            cautious.append(min(candidates, key=lambda candidate: costs[LATENCY](candidate.arch)))
        others = dict.fromkeys([*selection.runners_up, *cautious])
        others.pop(selection.best, None)
        selections[index] = replace(selection, runners_up=tuple(others))
    return selections, misses


def choose(
    selections: Sequence[Selection], results: DeviceResults, counter: ComplexityCounter
) -> dict[Budget, Architecture]:
    """Return for every budget the best measured candidate that surely keeps it; else one that may; else the best."""
    chosen = {}
    for selection in selections:
        order = _measured(selection, results)
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
        if verdict == "no":
            spent = [_spent(arch, results, counter) for arch in _measured(selection, results)]
            nearest = describe(budget, min(spent, key=budget.load))
            problems.append(InfeasibleBudget(budget, f"the nearest finalist measured {where} needs {nearest}"))
        elif verdict == "borderline" and measurement.verdict != "ok":
            problems.append(
                MeasurementError(f"whether budget {budget.label} is kept {where} is undecided: {measurement.reason}")
            )
    return problems


def _measured(selection: Selection, results: DeviceResults) -> list[Architecture]:
    """Return the subnets of a budget that were measured and whose answers are right, the best first."""
    archs = [candidate.arch for candidate in (selection.best, *selection.runners_up)]
    return [arch for arch in archs if results.measured[arch].summary and not results.doubt(arch)]


def _spent(arch: Architecture, results: DeviceResults, counter: ComplexityCounter) -> dict[Kind, float]:
    summary = results.measured[arch].summary
    assert summary is not None
    return {COMPUTE: counter.compute_fraction(arch), LATENCY: summary.p50_ms}


def _tightened(budget: Budget, share: float) -> Budget:
    return Budget(
        tuple(replace(lim, value=lim.value * (1 - share)) if lim.kind == LATENCY else lim for lim in budget.limits)
    )
