"""Memory and energy of finalists, where they are limited."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from devices import Device
from harness.bank import Architecture
from harness.choosing.finalists import best_first
from harness.costs import ComplexityCounter
from harness.measuring import Store, Subject
from harness.profiling import find_out, limited
from harness.results import DeviceResults
from harness.search import MEMORY, Selection


def measure_limited(
    device: Device,
    results: DeviceResults,
    selections: Sequence[Selection],
    counter: ComplexityCounter,
    subjects: Mapping[Architecture, Subject],
    store: Store,
    advance: Callable[[int, int], None],
) -> None:
    """Measure memory and energy of finalists, where limited: per budget the best first, until one keeps everything.

    One that misses another limit of its budget for sure is left out.
    """
    for done, selection in enumerate(selections, start=1):
        budget = selection.budget
        for arch in best_first(selection, results):
            for kind in limited([budget]):
                known = results.memory if kind == MEMORY else results.energy
                if arch not in known and results.verdict(budget, arch, counter) != "no":
                    find_out(kind, device, results, arch, subjects[arch], store)
            if results.verdict(budget, arch, counter) == "yes":
                break
        advance(done, len(selections))
