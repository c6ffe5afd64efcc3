"""What fails its latency budget is replaced: finalists correct the cost model, and it chooses again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from harness.bank import Architecture
from harness.choosing.finalists import best_first, least_spending, shortlist
from harness.costs import ComplexityCounter, CostModel, LayerTable, Observations
from harness.results import DeviceResults
from harness.search import LATENCY, Candidate, Selection

#: Times that finalists are replaced, at most.
MOST_REFITS = 2


def replace_failed(
    selections: Sequence[Selection],
    candidates: Sequence[Candidate],
    results: DeviceResults,
    counter: ComplexityCounter,
    table: LayerTable,
    tried: Collection[Architecture],
    measure: Callable[[Sequence[Selection]], None],
) -> list[Selection]:
    """Return the selections, with further runners-up where no finalist surely kept a budget that limits latency.

    For these the model is refitted, and chooses among the candidates that are not in `tried`, which grows as `measure`
    measures them as finalists. Where the finalists leave something to learn, the model is refitted once more at the
    end; its held-out error stays that of the model before, since nothing was held out of this one.
    """
    found = list(selections)
    for _ in range(MOST_REFITS):
        failed = [s.budget for s in found if LATENCY in s.budget.kinds and not _kept(s, results, counter)]
        untried = [candidate for candidate in candidates if candidate.arch not in tried]
        if not failed or not untried:
            break
        refit(results, table)
        further, misses = shortlist(untried, failed, results, counter, last_resort=True)
        # The nearest miss is to be known for sure, too.
        costs = results.costs(counter)
        further += [Selection(m.budget, least_spending(untried, m.budget, costs), ()) for m in misses]
        measure(further)
        more = {selection.budget: (selection.best, *selection.runners_up) for selection in further}
        found = [replace(s, runners_up=(*s.runners_up, *more.get(s.budget, ()))) for s in found]
    refit(results, table)
    return found


def refit(results: DeviceResults, table: LayerTable) -> None:
    """Fit the cost model anew, to what exploring measured and to the finalists, which weigh as any other network.

    Milliseconds are those of the anchor beside the finalists: budgets are held against these.
    """
    assert results.observations
    seen = results.observations
    finalists = {a: m for a, m in results.measured.items() if m.summary and not m.summary.exploring}
    if not finalists:
        return
    ratios = {arch: found.summary.ratio for arch, found in finalists.items() if found.summary}
    anchors = [record.anchor_p50_ns for found in finalists.values() for record in found.records]
    networks = tuple((dict(seen.networks) | ratios).items())
    results.latency_model = CostModel(table, Observations(float(np.median(anchors)) / 1e6, seen.layers, networks))


def _kept(selection: Selection, results: DeviceResults, counter: ComplexityCounter) -> bool:
    return any(results.verdict(selection.budget, arch, counter) == "yes" for arch in best_first(selection, results))
