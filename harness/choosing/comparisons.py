"""What choosing by latency gains: for every budget, a subnet chosen by multiply-adds alone beside what latency finds.

Someone who knows only multiply-adds deploys, for a share of compute, the subnet of least UPEM within it; for a latency,
the one of least UPEM whose latency a constant and a rate of multiply-adds predict to be within it. Both are chosen
before either is measured as a finalist, so the measured ratio is not flattered by the choice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.bank import Architecture
from harness.costs import ComplexityCounter, Observations, fit_rate
from harness.measuring import speedup
from harness.report import Comparison, Versus
from harness.results import DeviceResults
from harness.search import COMPUTE, LATENCY, Budget, Candidate, Cost, Kind, select
from harness.space import arch_id

#: Subnets of a budget that are measured for the comparison alone, at most.
MOST_MORE = 2


@dataclass(frozen=True)
class Rivals:
    """What multiply-adds alone choose for a budget, and what the cost model finds in its place."""

    budget: Budget
    flops_chosen: Candidate
    faster: Candidate
    """Predicted fastest among those of no higher UPEM; it may be the same one."""
    better: Candidate | None
    """Of least UPEM among those predicted to be no slower; None where measuring it would be one too many."""

    @property
    def archs(self) -> tuple[Architecture, ...]:
        """All of them."""
        return tuple(c.arch for c in (self.flops_chosen, self.faster, self.better) if c)


def find_rivals(
    candidates: Sequence[Candidate],
    budgets: Iterable[Budget],
    costs: Mapping[Kind, Cost],
    by_macs: Cost,
    shortlisted: Collection[Architecture],
) -> list[Rivals]:
    """Return what to compare for every budget; at most `MOST_MORE` of each are not on the shortlist.

    `costs` has the latency that the cost model predicts; `by_macs` is what multiply-adds alone predict. Left out are
    budgets that these find nothing for, and those that the full width answers.
    """
    known = set(shortlisted)
    found = []
    for selection in select(candidates, budgets, {**costs, LATENCY: by_macs}, runners_up=0)[0]:
        if costs[COMPUTE](selection.best.arch) < 1:
            rivals = _rivals(selection.budget, selection.best, candidates, costs, known)
            known.update(rivals.archs)
            found.append(rivals)
    return found


def latency_by_macs(seen: Observations, counter: ComplexityCounter) -> Cost:
    """Return latency in ms as a constant and a rate of multiply-adds, fitted to what the cost model was fitted to."""
    archs, ratios = zip(*seen.networks, strict=True)
    model = fit_rate(counter.macs, archs, ratios)
    return lambda arch: model.predict(arch) * seen.anchor_ms


def _rivals(
    budget: Budget,
    flops_chosen: Candidate,
    candidates: Sequence[Candidate],
    costs: Mapping[Kind, Cost],
    shortlisted: Collection[Architecture],
) -> Rivals:
    """Find what takes the place of the FLOPs-chosen subnet.

    The budget's other limits hold for it too. Not the one that stands for speed: nobody who asked for few multiply-adds
    to be fast minds more of them in a faster subnet that loses less.
    """
    speed = LATENCY if LATENCY in budget.kinds else COMPUTE
    others = Budget(tuple(limit for limit in budget.limits if limit.kind != speed))
    able = [c for c in candidates if others.allows(c.arch, costs)]
    predicted = costs[LATENCY]
    limit_ms = predicted(flops_chosen.arch)
    faster = min((c for c in able if c.upem <= flops_chosen.upem), key=lambda c: (predicted(c.arch), c.upem, c.arch))
    better = min((c for c in able if predicted(c.arch) <= limit_ms), key=lambda c: (c.upem, predicted(c.arch), c.arch))
    more = {flops_chosen.arch, faster.arch, better.arch} - set(shortlisted)
    return Rivals(budget, flops_chosen, faster, better if len(more) <= MOST_MORE else None)


def compare(
    rivals: Sequence[Rivals], results: DeviceResults, counter: ComplexityCounter, model: str
) -> list[Comparison]:
    """Return what was measured of the rivals; `model` is the name of the bank's, which is a part of arch_ids."""
    found = []
    for one in rivals:
        chosen = one.flops_chosen.arch
        about: dict[str, Any] = {
            "budget": one.budget.label,
            "flops_chosen": arch_id(model, chosen),
            "flops_upem": results.deployed_upem(chosen),
            "flops_ms": _p50_ms(results, chosen),
            "flops_within": results.verdict(one.budget, chosen, counter) if results.measured[chosen].summary else None,
        }
        same_latency = Versus(**_versus(chosen, one.better.arch, results, model)) if one.better else None
        found.append(Comparison(**about, **_versus(chosen, one.faster.arch, results, model), same_latency=same_latency))
    return found


def _versus(chosen: Architecture, partner: Architecture, results: DeviceResults, model: str) -> dict[str, Any]:
    about: dict[str, Any] = {
        "partner": arch_id(model, partner),
        "partner_upem": results.deployed_upem(partner),
        "partner_ms": _p50_ms(results, partner),
    }
    if partner == chosen:
        return {**about, "speedup": 1.0, "low": 1.0, "high": 1.0}
    unknown = {**about, "speedup": None, "low": None, "high": None}
    if reason := _incomparable(chosen, partner, results):
        return {**unknown, "reason": reason}
    found = speedup(results.measured[chosen], results.measured[partner])
    if found is None:
        return {**unknown, "reason": "measured in too few processes"}
    return {**about, "speedup": found.estimate, "low": found.low, "high": found.high}


def _incomparable(chosen: Architecture, partner: Architecture, results: DeviceResults) -> str | None:
    """Say why a measured ratio of the two would not be an answer; None where it is one."""
    for arch in (chosen, partner):
        if doubt := results.doubt(arch):
            return doubt
        if results.measured[arch].summary is None:
            return results.measured[arch].reason
    before, after = results.deployed_upem(chosen), results.deployed_upem(partner)
    if before is None or after is None or after > before:
        return f"in {results.precision}, the one chosen by latency has the higher UPEM"
    return None


def _p50_ms(results: DeviceResults, arch: Architecture) -> float | None:
    summary = results.measured[arch].summary
    return summary.p50_ms if summary else None
