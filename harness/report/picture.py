"""``tradeoff.png``: what the subnets lose (and how accurate they are) against what they cost."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from harness.files import write_whole
from harness.report.front import drawn_latency, multiply_adds
from harness.report.labels import place_labels
from harness.report.looks import GREY, STYLE
from harness.report.panels import ACCURACY, UPEM, draw_panel
from harness.report.rows import Row
from harness.report.scales import mark_limits, no_ticks, plain_log_ticks
from harness.report.shown import Shown
from harness.report.words import duration, limit, loosest_first, round_count

_FRACTIONS = ("1", "1/2", "1/4", "1/8", "1/16", "1/32", "1/64")
_WIDTH, _DPI, _LINE, _MARGIN = 12.0, 200, 0.26, 0.12
"""Width of the figure in inches, its resolution, and the height of a line of text and the margin in inches."""


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
    write_whole(path, content.getvalue())


def tradeoff_figure(rows: Sequence[Row], *, title: str, baselines: Mapping[str, str] | None = None) -> Figure:
    """Draw UPEM, and above it target accuracy where known, against host latency (left) and multiply-adds (right).

    Up and left is better everywhere (the UPEM axis is upside down). Dots are all scored candidates, the stepped line is
    the front, markers are the finalists with their budgets and 95% intervals. A latency is measured, or comes from
    published hardware figures and is named as estimated; what the cost model predicts is not drawn. Failures have no
    place on a latency axis: they are crosses on the right and named at the foot. ``baselines``, networks of other
    families by arch_id, are stars with their names, where accuracy is known: UPEM they have none.
    """
    with matplotlib.style.context(["default", STYLE]):
        return _drawn(Shown(rows, baselines or {}), title)


def _drawn(shown: Shown, title: str) -> Figure:
    measures = [ACCURACY, UPEM] if any(row.target_accuracy is not None for row in shown.rows) else [UPEM]
    failures = shown.failures()
    height = 1.4 + 3.9 * len(measures) + _LINE * (len(failures) + len(shown.by_series))
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI)
    _frame(figure, shown, title, failures)
    panels = figure.subplots(len(measures), 2, sharex="col", sharey="row", squeeze=False)
    notes = [
        (axes, *draw_panel(shown, axes, measure, cost))
        for measure, row in zip(measures, panels, strict=True)
        for axes, cost in zip(row, (drawn_latency, multiply_adds), strict=True)
    ]
    for measure, axes in zip(measures, panels[:, 0], strict=True):
        axes.set_ylabel(measure.name)
    panels[-1, 0].invert_yaxis()
    corner = {"transform": panels[0, 0].transAxes, "va": "top", "color": GREY}
    panels[0, 0].text(0.012, 0.985, "↖ better", bbox={"facecolor": "white", "linewidth": 0, "pad": 1.5}, **corner)
    _latency_axis(shown.rows, list(panels[:, 0]))
    _compute_axis(shown.rows, list(panels[:, 1]))
    figure.align_ylabels()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, labels, crowd in notes:
        place_labels(axes, labels, crowd=crowd)
    return figure


def _frame(figure: Figure, shown: Shown, title: str, failures: Sequence[str]) -> None:
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
            label=shown.setting(series),
        )
        for series, look in shown.looks.items()
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


def _latency_axis(rows: Sequence[Row], panels: Sequence[Axes]) -> None:
    sources = {row.cost_source for row in rows if drawn_latency(row) is not None}
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
    singles = {part for row in rows for budget in row.budgets for part in budget.split("+")}
    known = {budget: split for budget in loosest_first(singles) if (split := limit(budget)) is not None}
    mark_limits(panels, {name: value for name, (value, kind) in known.items() if kind == "ms"}, GREY)


def _compute_axis(rows: Sequence[Row], panels: Sequence[Axes]) -> None:
    axes = panels[-1]
    axes.set_xlabel("Multiply-adds")
    if not rows:
        no_ticks(axes)
        return
    plain_log_ticks(axes, round_count)
    full = rows[0].macs / rows[0].compute_fraction
    fractions = {name: split[0] for name in _FRACTIONS if (split := limit(name)) is not None}
    mark_limits(panels, {name: full * value for name, value in fractions.items()}, GREY)
