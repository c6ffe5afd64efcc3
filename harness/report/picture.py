"""``tradeoff.png``: what the subnets lose (and how accurate they are) against what they cost."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from harness.report.files import write_atomic
from harness.report.front import Cost, multiply_adds, pareto
from harness.report.labels import Label, Point, place_labels
from harness.report.rows import Row
from harness.report.scales import mark_limits, no_ticks, plain_log_ticks
from harness.report.words import duration, flags, label, limit, loosest_first, round_count, shared_configuration

_INK, _NEUTRAL, _GREY, _FAINT = "#222222", "#444444", "#767676", "#E6E6E6"
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours that the colour-blind tell apart; each device in each precision has one, and a marker of its own."""
_STAR = "*"
"""The marker of baselines."""
_MARKERS = ("o", "s", "D", "^", "v", "P")
_STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _GREY,
    "axes.labelcolor": _INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.xmargin": 0.09,
    "xtick.color": _GREY,
    "xtick.labelcolor": _INK,
    "ytick.color": _GREY,
    "ytick.labelcolor": _INK,
    "grid.color": _FAINT,
    "text.color": _INK,
}
_FRACTIONS = ("1", "1/2", "1/4", "1/8", "1/16", "1/32", "1/64")
_WIDTH, _DPI, _LINE, _MARGIN = 12.0, 200, 0.26, 0.12
"""Width of the figure in inches, its resolution, and the height of a line of text and the margin in inches."""
_DASHED = (0, (2, 1.2))
_MOST_FAILURES_NAMED = 4


class _Measure(NamedTuple):
    """What a panel's vertical axis shows."""

    name: str
    of: Callable[[Row], float | None]


class _Look(NamedTuple):
    colour: str
    marker: str


_UPEM = _Measure("UPEM (lower is better)", lambda row: row.upem)
_ACCURACY = _Measure(
    "Target accuracy, %", lambda row: None if row.target_accuracy is None else 100 * row.target_accuracy
)


def draw_tradeoff(
    rows: Sequence[Row],
    path: Path,
    *,
    title: str = "What each budget costs",
    baselines: Mapping[str, str] | None = None,
) -> None:
    """Write the picture as a PNG, 2400 pixels wide, whole or not at all; see ``tradeoff_figure``."""
    content = io.BytesIO()
    tradeoff_figure(rows, title=title, baselines=baselines).savefig(content, format="png", dpi=_DPI)
    write_atomic(path, content.getvalue())


def tradeoff_figure(rows: Sequence[Row], *, title: str, baselines: Mapping[str, str] | None = None) -> Figure:
    """Draw UPEM, and above it target accuracy where known, against host latency (left) and multiply-adds (right).

    Up and left is better everywhere (the UPEM axis is upside down). Dots are all scored candidates, the stepped line is
    the front, markers are the finalists with their budgets and 95% intervals. A latency is measured, or comes from
    published hardware figures and is named as estimated; what the cost model predicts is not drawn. Failures have no
    place on a latency axis: they are crosses on the right and named at the foot. ``baselines``, networks of other
    families by arch_id, are stars with their names, where accuracy is known: UPEM they have none.
    """
    with matplotlib.style.context(["default", _STYLE]):
        return _Picture(rows, baselines or {}).draw(title)


def drawn_latency(row: Row) -> float | None:
    """Return the latency in ms that the picture shows: measured, else estimated, never a failure's or a prediction."""
    if row.status == "failed":
        return None
    if row.host_p50_ms is not None:
        return row.host_p50_ms
    return row.predicted_ms if row.cost_source == "estimated" else None


class _Picture:
    """One drawing in the making: the rows with the looks that its panels share."""

    def __init__(self, rows: Sequence[Row], baselines: Mapping[str, str]) -> None:
        self.rows = rows
        self.baselines = baselines
        self.by_series: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            self.by_series[row.series].append(row)
        self.looks = {
            series: _Look(OKABE_ITO[i % len(OKABE_ITO)], _MARKERS[i % len(_MARKERS)])
            for i, series in enumerate(self.by_series)
        }

    def draw(self, title: str) -> Figure:
        measures = [_ACCURACY, _UPEM] if any(row.target_accuracy is not None for row in self.rows) else [_UPEM]
        failures = self._failures()
        height = 1.4 + 3.9 * len(measures) + _LINE * (len(failures) + len(self.by_series))
        figure = Figure(figsize=(_WIDTH, height), dpi=_DPI)
        self._frame(figure, title, failures)
        panels = figure.subplots(len(measures), 2, sharex="col", sharey="row", squeeze=False)
        notes = [
            (axes, *self._panel(axes, measure, cost))
            for measure, row in zip(measures, panels, strict=True)
            for axes, cost in zip(row, (drawn_latency, multiply_adds), strict=True)
        ]
        for measure, axes in zip(measures, panels[:, 0], strict=True):
            axes.set_ylabel(measure.name)
        panels[-1, 0].invert_yaxis()
        corner = {"transform": panels[0, 0].transAxes, "va": "top", "color": _GREY}
        panels[0, 0].text(0.012, 0.985, "↖ better", bbox={"facecolor": "white", "linewidth": 0, "pad": 1.5}, **corner)
        self._latency_axis(list(panels[:, 0]))
        self._compute_axis(list(panels[:, 1]))
        figure.align_ylabels()
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for axes, labels, crowd in notes:
            place_labels(axes, labels, crowd=crowd)
        return figure

    def _frame(self, figure: Figure, title: str, failures: Sequence[str]) -> None:
        """Write title, devices and failures, and leave the panels what is between them."""
        width, height = figure.get_size_inches()
        left = _MARGIN / width
        figure.text(left, 1 - _MARGIN / height, title, va="top", fontsize=15, fontweight="bold")
        top = _MARGIN + 1.35 * _LINE
        handles = [
            Line2D(
                [],
                [],
                linestyle="none",
                marker=look.marker,
                color=look.colour,
                markersize=8,
                label=self._setting(series),
            )
            for series, look in self.looks.items()
        ]
        figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(0, 1 - top / height),
            borderaxespad=0,
            borderpad=0.25,
            handletextpad=0.2,
            labelspacing=0.35,
            frameon=False,
        )
        figure.text(left, _MARGIN / height, "\n".join(failures), va="bottom", fontsize=10)
        top, bottom = top + _LINE * len(handles), _LINE * len(failures) * 0.85
        rect = (0, bottom / height, 1, 1 - (top + bottom) / height)
        figure.set_layout_engine(ConstrainedLayoutEngine(rect=rect, w_pad=_MARGIN, h_pad=_MARGIN))

    def _setting(self, series: str) -> str:
        rows = self.by_series[series]
        known = [text for text in shared_configuration(rows) if text != rows[0].precision]
        return " · ".join([series, *known])

    def _failures(self) -> list[str]:
        """Say which chosen subnets and baselines failed and why, and how many others did."""
        failed = [row for row in self.rows if row.status == "failed"]
        named = [row for row in failed if self._is_named(row)][:_MOST_FAILURES_NAMED]
        lines = [f"× {self._name([row])} failed on {row.device}: {row.reason}" for row in named]
        if len(failed) > len(named):
            lines.append(f"× {len(failed) - len(named)} more subnets failed; tradeoff.csv says why")
        return [line if len(line) <= 150 else f"{line[:149]}…" for line in lines]

    def _panel(self, axes: Axes, measure: _Measure, cost: Cost) -> tuple[list[Label], list[Point]]:
        """Draw one panel; return its labels, to be placed when the layout is final, and what they should not cover."""
        axes.set_xscale("log")
        crowd: list[Point] = []
        if cost is multiply_adds:
            crowd += _candidates(axes, self.rows, measure, cost, self._common_colour(self.looks))
        else:
            for series, rows in self.by_series.items():
                crowd += _candidates(axes, rows, measure, cost, self.looks[series].colour)
        meeting: dict[Point, list[Row]] = defaultdict(list)
        for row, x, y in _points((row for row in self.rows if self._is_named(row)), measure, cost):
            meeting[x, y].append(row)
        labels = []
        for (x, y), rows in meeting.items():
            colour = self._common_colour(row.series for row in rows)
            for row in rows:
                crowd += self._finalist(axes, row, (x, y), colour, cost)
            if measure is _ACCURACY:
                crowd += _accuracy_interval(axes, rows[0], x, colour)
            text = self._subnet_label(rows) if cost is multiply_adds else "; ".join(map(self._label, rows))
            labels.append(Label(x, y, text, colour))
        return labels, crowd

    def _is_named(self, row: Row) -> bool:
        return row.selected == "yes" or row.arch_id in self.baselines

    def _label(self, row: Row) -> str:
        """Name a finalist or baseline on a device, with what is not as it should be."""
        name = self.baselines.get(row.arch_id)
        return " · ".join([name, *flags(row)]) if name else label(row)

    def _common_colour(self, several: Iterable[str]) -> str:
        """Return the colour of a series, or a neutral one for several."""
        colours = {self.looks[series].colour for series in several}
        return colours.pop() if len(colours) == 1 else _NEUTRAL

    def _finalist(self, axes: Axes, row: Row, point: Point, colour: str, cost: Cost) -> list[Point]:
        """Draw a finalist, with its interval where its latency is shown; return points along the interval."""
        own = self.looks[row.series]
        look = own if row.status == "failed" or colour == own.colour else _Look(colour, "o")
        if row.arch_id in self.baselines:
            look = _Look(colour, _STAR)
        axes.plot(*point, gid="finalist", zorder=4, **_marker(row, look, on_device=cost is not multiply_adds))
        if cost is multiply_adds or row.host_ci_low_ms is None or row.host_ci_high_ms is None:
            return []
        ends = row.host_ci_low_ms, row.host_ci_high_ms
        style: dict[str, Any] = {"color": own.colour, "zorder": 3, "gid": "latency interval"}
        doubtful = row.status in ("noisy", "throttled")
        axes.plot(ends, (point[1],) * 2, linestyle=_DASHED if doubtful else "-", linewidth=1.8, **style)
        axes.plot(ends, (point[1],) * 2, linestyle="none", marker="|", markersize=6, markeredgewidth=1.4, **style)
        return _along([(ends[0], point[1]), (ends[1], point[1])])

    def _subnet_label(self, rows: Sequence[Row]) -> str:
        """Name a subnet where its multiply-adds are shown: what it was chosen for anywhere, and where it failed."""
        name, failed = self._name(rows), ", ".join(row.device for row in rows if row.status == "failed")
        if not failed:
            return name
        return f"{name} · failed" if len(self.looks) == 1 else f"{name} · failed on {failed}"

    def _name(self, rows: Sequence[Row]) -> str:
        """Return the baselines that rows are of and the budgets that they answer."""
        names = dict.fromkeys(self.baselines[row.arch_id] for row in rows if row.arch_id in self.baselines)
        return ", ".join([*names, *loosest_first({budget for row in rows for budget in row.budgets})])

    def _latency_axis(self, panels: Sequence[Axes]) -> None:
        sources = {row.cost_source for row in self.rows if drawn_latency(row) is not None}
        axes = panels[-1]
        if not sources:
            axes.set_xlabel("Host latency: not measured")
            no_ticks(axes)
            return
        axes.set_xlabel(
            "Measured host latency (median)"
            if sources == {"measured"}
            else "Estimated latency (from published figures, not measured)"
            if sources == {"estimated"}
            else "Host latency (median; hollow: estimated, not measured)"
        )
        plain_log_ticks(axes, duration)
        singles = {part for row in self.rows for budget in row.budgets for part in budget.split("+")}
        known = {budget: split for budget in loosest_first(singles) if (split := limit(budget)) is not None}
        mark_limits(panels, {name: value for name, (value, kind) in known.items() if kind == "ms"}, _GREY)

    def _compute_axis(self, panels: Sequence[Axes]) -> None:
        axes = panels[-1]
        axes.set_xlabel("Multiply-adds")
        if not self.rows:
            no_ticks(axes)
            return
        plain_log_ticks(axes, round_count)
        full = self.rows[0].macs / self.rows[0].compute_fraction
        fractions = {name: split[0] for name in _FRACTIONS if (split := limit(name)) is not None}
        mark_limits(panels, {name: full * value for name, value in fractions.items()}, _GREY)


def _candidates(axes: Axes, rows: Sequence[Row], measure: _Measure, cost: Cost, colour: str) -> list[Point]:
    """Draw every scored row as a faint dot, and a line: the front of UPEM, or the accuracies of the finalists.

    An estimated latency is a faint ring. Return the dots and points along the line.
    """
    points = _points((row for row in rows if row.status != "failed"), measure, cost)
    dots = [(x, y) for _, x, y in points]
    for hollow in (False, True):
        own = [(x, y) for row, x, y in points if (_estimated(row) and cost is not multiply_adds) == hollow]
        style = {"markerfacecolor": "none", "markeredgewidth": 0.8} if hollow else {"markeredgewidth": 0}
        if own:
            axes.plot(*_transposed(own), ".", color=colour, alpha=0.3, markersize=6, gid="candidates", **style)
    if measure is _UPEM:
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


def _points(rows: Iterable[Row], measure: _Measure, cost: Cost) -> list[tuple[Row, float, float]]:
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


def _estimated(row: Row) -> bool:
    return row.cost_source == "estimated"


def _marker(row: Row, look: _Look, on_device: bool) -> dict[str, Any]:
    """Return a finalist's marker: full if all is well, half for borderline, hollow if in doubt, a cross if failed.

    An estimate is hollow whatever its budget: nothing was measured that could be borderline.
    """
    if row.status == "failed":
        return {"marker": "x", "color": look.colour, "markersize": 9, "markeredgewidth": 2.2}
    half = on_device and not _estimated(row) and row.within_budget == "borderline"
    hollow = on_device and not half and (bool(flags(row)) or _estimated(row))
    return {
        "linestyle": "none",
        "marker": look.marker,
        "markersize": 13 if look.marker == _STAR else 8,
        "color": look.colour,
        "fillstyle": "left" if half else "full",
        "markerfacecolor": "white" if hollow else look.colour,
        "markerfacecoloralt": "white",
        "markeredgecolor": look.colour if hollow or half else "white",
        "markeredgewidth": 1.6 if hollow or half else 0.8,
    }
