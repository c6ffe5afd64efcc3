"""The rows as the page's script takes them, and which of them are on the front of each pair of axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.report.front import Cost, drawn_latency, multiply_adds, pareto
from harness.report.rows import Row
from harness.report.words import loosest_first

MOST = 4000
"""Rows in one page: more points are slow to draw and cannot be told apart."""


def _loss_of_accuracy(row: Row) -> float | None:
    return None if row.target_accuracy is None else 1 - row.target_accuracy


COSTS: dict[str, Cost] = {
    "latency": drawn_latency,
    "macs": multiply_adds,
    "memory": lambda row: row.peak_memory_mb,
    "size": lambda row: None if row.model_bytes is None else float(row.model_bytes),
    "energy": lambda row: row.energy_mj,
}
"""The cost axes; what the cost model predicts of a latency is on no front, as nothing confirmed it."""
LOSSES: dict[str, Callable[[Row], float | None]] = {"upem": lambda row: row.upem, "accuracy": _loss_of_accuracy}


def thinned(rows: Sequence[Row], names: Mapping[str, str]) -> list[Row]:
    """Return at most ``MOST`` rows: those that were measured, chosen, failed or are on the front, and of the others as
    many as there is room for, evenly over their multiply-adds."""
    if len(rows) <= MOST:
        return list(rows)
    matter = [row for row in rows if _rank(row, names) == 0]
    others = sorted((row for row in rows if _rank(row, names)), key=lambda row: (_rank(row, names), row.macs))
    measured = [row for row in others if _rank(row, names) == 1]
    rest = others[len(measured) :]
    kept = matter + _evenly(measured, MOST - len(matter))
    kept += _evenly(rest, MOST - len(kept))
    chosen = {id(row) for row in kept}
    return [row for row in rows if id(row) in chosen]


def _rank(row: Row, names: Mapping[str, str]) -> int:
    if row.selected == "yes" or row.on_front == "yes" or row.status == "failed" or row.arch_id in names:
        return 0
    return 1 if row.cost_source == "measured" else 2


def _evenly(rows: Sequence[Row], count: int) -> list[Row]:
    if count <= 0:
        return []
    if len(rows) <= count:
        return list(rows)
    return [rows[place * len(rows) // count] for place in range(count)]


def points(rows: Sequence[Row], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return each row's figures by short names, without those that are unknown; ``names`` are those of baselines."""
    return [{name: value for name, value in _point(row, names).items() if value is not None} for row in rows]


def _point(row: Row, names: Mapping[str, str]) -> dict[str, Any]:
    latency = row.predicted_ms if row.host_p50_ms is None else row.host_p50_ms
    selected = row.selected == "yes"
    return {
        "series": row.series,
        "id": row.arch_id,
        "name": names.get(row.arch_id),
        "widths": row.widths,
        "macs": row.macs,
        "share": short(row.compute_fraction),
        "ms": short(latency if row.cost_source and row.status != "failed" else None),
        "low": short(row.host_ci_low_ms),
        "high": short(row.host_ci_high_ms),
        "p99": short(row.host_p99_ms),
        "source": row.cost_source,
        "mb": short(row.peak_memory_mb),
        "bytes": row.model_bytes,
        "mj": short(row.energy_mj),
        "upem": short(row.upem),
        "agreement": short(row.agreement),
        "accuracy": short(row.target_accuracy),
        "worst": short(row.accuracy_ci_low),
        "best": short(row.accuracy_ci_high),
        "by": row.chosen_by,
        "status": row.status,
        "reason": row.reason,
        "within": row.within_budget,
        "budgets": loosest_first(row.budgets) if selected else None,
        "file": onnx_file(row) if selected else None,
    }


def onnx_file(row: Row) -> str:
    """Return where the page finds a selected subnet; the parts are checked by the row, so nothing needs quoting."""
    return f"subnets/{row.arch_id}-{row.precision}-b{row.batch_size}.onnx"


def fronts(rows: Sequence[Row], names: Mapping[str, str]) -> dict[str, list[list[int]]]:
    """Return, by ``cost/value``, the indices of the rows on the front of each series, cheapest first."""
    series = dict.fromkeys(row.series for row in rows)
    own = {
        name: [i for i, row in enumerate(rows) if row.series == name and row.arch_id not in names] for name in series
    }
    return {
        f"{axis}/{value}": [
            [indices[i] for i in pareto([rows[j] for j in indices], cost, loss)] for indices in own.values()
        ]
        for axis, cost in COSTS.items()
        for value, loss in LOSSES.items()
    }


def short(value: float | None) -> float | None:
    """Return a figure with six significant digits, more than any of them means."""
    return None if value is None else float(f"{value:.6g}")
