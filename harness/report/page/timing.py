"""Raw samples as the page shows them: their distribution, complete, and their course over the rounds, thinned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.report.page.facts import Moment, ProcessSamples, Rounds, SubnetSamples
from harness.report.page.points import short

BINS = 60
MOST_DOTS = 1200
"""Single samples drawn of one subnet."""
MOST_MOMENTS = 800
"""Processes drawn of one device."""
_MS = 1e6


def timing(found: SubnetSamples) -> dict[str, Any] | None:
    """Return the histogram of all samples, the medians of every round beside the anchor's, and some single samples.

    Times in milliseconds. ``every`` says which share of the single samples is there: all (1), every second (2), ...
    None where there are no samples.
    """
    processes = [process for process in found.processes if any(len(own) for own in process.rounds_ns)]
    if not processes:
        return None
    return {"histogram": _histogram(processes), **_course(processes)}


def _histogram(processes: Sequence[ProcessSamples]) -> dict[str, Any]:
    """Count the samples in bins of equal ratio up to the 99th percentile, and those beyond it."""
    samples = np.concatenate([np.asarray(own) for process in processes for own in process.rounds_ns]) / _MS
    low, middle, end = (float(np.percentile(samples, percent)) for percent in (0, 50, 99))
    edges = np.geomspace(low, end if end > low else low * 1.001, BINS + 1)
    edges[0], edges[-1] = low, max(end, edges[-1])
    counts, _ = np.histogram(samples, edges)
    return {
        "edges": [short(edge) for edge in edges],
        "counts": counts.tolist(),
        "samples": len(samples),
        "beyond": int(len(samples) - counts.sum()),
        "median": short(middle),
        "most": short(float(samples.max())),
    }


def _course(processes: Sequence[ProcessSamples]) -> dict[str, Any]:
    rounds = [
        (number, own, anchor) for number, process in enumerate(processes, start=1) for own, anchor in _pairs(process)
    ]
    total = sum(len(own) for _, own, _ in rounds)
    every = -(-total // MOST_DOTS)
    dots = [
        (round(place + index / len(own), 2), short(sample / _MS))
        for place, (_, own, _) in enumerate(rounds)
        for index, sample in enumerate(own)
    ][::every]
    return {
        "process": [number for number, _, _ in rounds],
        "medians": [_median(own) for _, own, _ in rounds],
        "anchor": [_median(anchor) for _, _, anchor in rounds],
        "every": every,
        "dots": {"round": [place for place, _ in dots], "ms": [ms for _, ms in dots]},
        "ended": [process.ended for process in processes],
    }


def _pairs(process: ProcessSamples) -> list[tuple[Sequence[int], Sequence[int]]]:
    """Return the rounds in which the subnet was measured, with the anchor's of the same round."""
    anchors: Rounds = [*process.anchor_ns, *[()] * len(process.rounds_ns)]
    return [(own, anchor) for own, anchor in zip(process.rounds_ns, anchors, strict=False) if len(own)]


def _median(samples: Sequence[int]) -> float | None:
    return short(float(np.median(samples)) / _MS) if len(samples) else None


def history(moments: Sequence[Moment]) -> dict[str, Any]:
    """Return what was recorded of a device over time, a list for each quantity; those never recorded are absent."""
    every = -(-len(moments) // MOST_MOMENTS)
    kept = moments[::every] if every else []
    found: dict[str, Any] = {
        "ended": [moment.ended for moment in kept],
        "anchor": [short(moment.anchor_ms) for moment in kept],
        "processes": len(moments),
        "every": every,
    }
    for name in ("cpu_mhz", "gpu_mhz", "hottest_c", "power_w"):
        ends = [getattr(moment, name) for moment in kept]
        if any(ends):
            found[name] = [[short(end) for end in pair] if pair else None for pair in ends]
    if any(moment.others_load is not None for moment in kept):
        found["others_load"] = [short(moment.others_load) for moment in kept]
    return found
