"""Which rows are Pareto-optimal: no other is both cheaper and better."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from harness.report.rows import Row

Cost = Callable[[Row], float | None]


def mark_front(rows: Sequence[Row]) -> list[Row]:
    """Set ``on_front`` of every row, comparing rows of one device and batch size (a batch's latency is its own scale).

    Loss is UPEM. Cost is the measured host p50 where the group has any measured row, else multiply-adds: a latency
    and a count of operations are never compared with each other, so beside measured rows an unmeasured one is off the
    front. Failed and unscored rows are never on it; equal rows share it.
    """
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[row.device, row.batch_size].append(index)
    optimal: set[int] = set()
    for indices in groups.values():
        members = [rows[i] for i in indices]
        measured = any(row.host_p50_ms is not None for row in members)
        optimal.update(indices[i] for i in pareto(members, host_latency if measured else multiply_adds))
    return [dataclasses.replace(row, on_front="yes" if i in optimal else "no") for i, row in enumerate(rows)]


def upem(row: Row) -> float | None:
    """Return what a row loses, as far as can be told without labels."""
    return row.upem


def pareto(rows: Sequence[Row], cost: Cost, loss: Cost = upem) -> list[int]:
    """Return the indices of the rows on the front of (cost, loss), cheapest first."""
    points = [
        (index, value, lost)
        for index, row in enumerate(rows)
        if row.status != "failed" and (lost := loss(row)) is not None and (value := cost(row)) is not None
    ]
    if not points:
        return []
    kept = NonDominatedSorting().do(np.array([point[1:] for point in points]), only_non_dominated_front=True)
    return [index for index, _, _ in sorted((points[int(i)] for i in kept), key=lambda point: point[1:])]


def host_latency(row: Row) -> float | None:
    """Return the measured median latency in ms, as the caller on the device saw it."""
    return row.host_p50_ms


def drawn_latency(row: Row) -> float | None:
    """Return the latency in ms that is drawn: measured, else estimated, never a failure's or a prediction."""
    if row.status == "failed":
        return None
    if row.host_p50_ms is not None:
        return row.host_p50_ms
    return row.predicted_ms if row.cost_source == "estimated" else None


def multiply_adds(row: Row) -> float:
    """Return the multiply-adds of the deployed graph."""
    return float(row.macs)
