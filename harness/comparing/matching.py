"""What of two runs can be held beside each other: series of the same device, then subnets, then budgets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal, NamedTuple

from harness.comparing.finished import FinishedRun, Result, Series
from harness.report.words import loosest_first

Kind = Literal["subnet", "budget", "anchor"]


class Pair(NamedTuple):
    """Two networks to compare: the same subnet, or what answers the same budget."""

    kind: Kind
    name: str
    before: Result
    after: Result


def matched_series(before: FinishedRun, after: FinishedRun) -> Iterator[tuple[Series, Series]]:
    """Yield the series of two runs that belong together: same precision and batch size, on the same device.

    Where the runs have one device each that the other has not, these two are held beside each other.
    """
    for one in before.results:
        if one in after.results:
            yield one, one
            continue
        here, there = _others(one, before.results, after.results), _others(one, after.results, before.results)
        if here == [one] and len(there) == 1:
            yield one, there[0]


def _others(like: Series, those: Collection[Series], than: Collection[Series]) -> list[Series]:
    """Return those series that are not in `than`, of the precision and batch size of `like`."""
    return [one for one in those if one[1:] == like[1:] and one not in than]


def pairs(before: Sequence[Result], after: Sequence[Result]) -> list[Pair]:
    """Return the subnets that both have decided about, and the budgets that they answer by different ones."""
    others = {result.row.arch_id: result for result in after}
    common = [
        Pair("subnet", result.name, result, others[result.row.arch_id])
        for result in before
        if result.row.arch_id in others and _both_decided(result, others[result.row.arch_id])
    ]
    here, there = _answers(before), _answers(after)
    differing = [
        Pair("budget", budget, here[budget], there[budget])
        for budget in loosest_first(here.keys() & there.keys())
        if here[budget].row.arch_id != there[budget].row.arch_id
    ]
    return [*common, *differing]


def _both_decided(before: Result, after: Result) -> bool:
    """Whether both are finalists, or one is and the other has failed."""
    either = before.decided or after.decided
    return either and all(result.decided or result.row.status == "failed" for result in (before, after))


def _answers(results: Sequence[Result]) -> dict[str, Result]:
    return {budget: result for result in results for budget in result.row.budgets if result.row.selected == "yes"}
