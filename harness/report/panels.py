"""One panel of the picture: candidates, the front, finalists and their intervals, against one cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from harness.report.front import Cost, multiply_adds, pareto
from harness.report.labels import Label, Point
from harness.report.looks import STAR, Look, estimated, marker
from harness.report.rows import Row
from harness.report.shown import Shown

_DASHED = (0, (2, 1.2))


class Measure(NamedTuple):
    """What a panel's vertical axis shows."""

    name: str
    of: Callable[[Row], float | None]


UPEM = Measure("UPEM (lower is better)", lambda row: row.upem)
ACCURACY = Measure("Target accuracy, %", lambda row: None if row.target_accuracy is None else 100 * row.target_accuracy)


def draw_panel(shown: Shown, axes: Axes, measure: Measure, cost: Cost) -> tuple[list[Label], list[Point]]:
    """Draw one panel; return its labels, to be placed when the layout is final, and what they should not cover."""
    axes.set_xscale("log")
    crowd: list[Point] = []
    if cost is multiply_adds:
        crowd += _candidates(axes, shown.rows, measure, cost, shown.common_colour(shown.looks))
    else:
        for series, rows in shown.by_series.items():
            crowd += _candidates(axes, rows, measure, cost, shown.looks[series].colour)
    meeting: dict[Point, list[Row]] = defaultdict(list)
    for row, x, y in _points((row for row in shown.rows if shown.is_named(row)), measure, cost):
        meeting[x, y].append(row)
    labels = []
    for (x, y), rows in meeting.items():
        colour = shown.common_colour(row.series for row in rows)
        for row in rows:
            crowd += _finalist(shown, axes, row, (x, y), colour, cost)
        if measure is ACCURACY:
            crowd += _accuracy_interval(axes, rows[0], x, colour)
        text = shown.subnet_label(rows) if cost is multiply_adds else "; ".join(map(shown.label, rows))
        labels.append(Label(x, y, text, colour))
    return labels, crowd


def _finalist(shown: Shown, axes: Axes, row: Row, point: Point, colour: str, cost: Cost) -> list[Point]:
    """Draw a finalist, with its interval where its latency is shown; return points along the interval."""
    own = shown.looks[row.series]
    look = own if row.status == "failed" or colour == own.colour else Look(colour, "o")
    if row.arch_id in shown.baselines:
        look = Look(colour, STAR)
    axes.plot(*point, gid="finalist", zorder=4, **marker(row, look, on_device=cost is not multiply_adds))
    if cost is multiply_adds or row.host_ci_low_ms is None or row.host_ci_high_ms is None:
        return []
    ends = row.host_ci_low_ms, row.host_ci_high_ms
    style: dict[str, Any] = {"color": own.colour, "zorder": 3, "gid": "latency interval"}
    doubtful = row.status in ("noisy", "throttled")
    axes.plot(ends, (point[1],) * 2, linestyle=_DASHED if doubtful else "-", linewidth=1.8, **style)
    axes.plot(ends, (point[1],) * 2, linestyle="none", marker="|", markersize=6, markeredgewidth=1.4, **style)
    return _along([(ends[0], point[1]), (ends[1], point[1])])


def _candidates(axes: Axes, rows: Sequence[Row], measure: Measure, cost: Cost, colour: str) -> list[Point]:
    """Draw every scored row as a faint dot, and a line: the front of UPEM, or the accuracies of the finalists.

    An estimated latency is a faint ring. Return the dots and points along the line.
    """
    points = _points((row for row in rows if row.status != "failed"), measure, cost)
    dots = [(x, y) for _, x, y in points]
    for hollow in (False, True):
        own = [(x, y) for row, x, y in points if (estimated(row) and cost is not multiply_adds) == hollow]
        style = {"markerfacecolor": "none", "markeredgewidth": 0.8} if hollow else {"markeredgewidth": 0}
        if own:
            axes.plot(*_transposed(own), ".", color=colour, alpha=0.3, markersize=6, gid="candidates", **style)
    if measure is UPEM:
        known = [row for row, _, _ in points]
        line = [(points[i][1], points[i][2]) for i in pareto(known, cost)]
        line = [corner for i, (x, y) in enumerate(line) for corner in ([(x, line[i - 1][1])] if i else []) + [(x, y)]]
        axes.plot(*_transposed(line), color=colour, alpha=0.85, linewidth=1.4, gid="front")
    else:
        line = sorted({(x, y) for row, x, y in points if row.selected == "yes"})
        axes.plot(*_transposed(line), color=colour, alpha=0.35, linewidth=1.2, gid="finalists")
    return dots + _along(line)


def _accuracy_interval(axes: Axes, row: Row, x: float, colour: str) -> list[Point]:
    if row.accuracy_ci_low is None or row.accuracy_ci_high is None:
        return []
    ends = [(x, 100 * row.accuracy_ci_low), (x, 100 * row.accuracy_ci_high)]
    axes.plot(*_transposed(ends), color=colour, alpha=0.45, linewidth=1.8, zorder=3, gid="accuracy interval")
    return _along(ends, pieces=25)


def _points(rows: Iterable[Row], measure: Measure, cost: Cost) -> list[tuple[Row, float, float]]:
    return [(row, x, y) for row in rows if (x := cost(row)) is not None and (y := measure.of(row)) is not None]


def _transposed(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _along(line: Sequence[Point], pieces: int = 8) -> list[Point]:
    """Return points along a line on a logarithmic horizontal axis."""
    return [
        (float(x), float(y))
        for (x0, y0), (x1, y1) in pairwise(line)
        for x, y in zip(np.geomspace(x0, x1, pieces), np.linspace(y0, y1, pieces), strict=True)
    ]
