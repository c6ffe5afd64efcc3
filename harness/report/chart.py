"""The interactive trade-off of ``report.html``: any cost against any quality, chosen by two pairs of buttons."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import plotly.graph_objects as go

from harness.report.front import multiply_adds, pareto
from harness.report.looks import OKABE_ITO
from harness.report.panels import drawn_latency
from harness.report.rows import Row
from harness.report.words import UNKNOWN, accuracy, count, label, latency, loosest_first, percent, time_unit

_INK, _FAINT = "#222222", "#E6E6E6"
_SYMBOLS = {
    "measured": "circle",
    "noisy": "diamond-open",
    "throttled": "triangle-up-open",
    "predicted": "circle-open",
    "estimated": "square-open",
    "not measured": "circle-open",
    "failed": "x-thin",
}
"""The marker of each kind of row; the colour is that of the device and precision."""

_CORNERS = {
    "x": {"x": 1, "xanchor": "right", "y": -0.07, "yanchor": "top"},
    "y": {"x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
}
"""Where the buttons of an axis stand, in shares of the panel."""

Ends = tuple[float, float]


class _Axis(NamedTuple):
    """One choice of what an axis shows: the value of a row, the ends of its interval, and how the axis looks."""

    button: str
    value: Callable[[Row], float | None]
    ends: Callable[[Row], Ends | None]
    layout: dict[str, Any]


class _Series(NamedTuple):
    """Rows that are drawn alike, as Plotly's ``trace``; ``only`` is the one cost axis they belong to, if not all."""

    rows: Sequence[Row]
    trace: dict[str, Any]
    only: _Axis | None = None
    intervals: bool = False


def tradeoff_chart(rows: Sequence[Row], baselines: Mapping[str, str] | None = None) -> go.Figure:
    """Draw the rows against latency or multiply-adds, by UPEM or (where known) target accuracy.

    Small markers are candidates, large ones finalists with their budgets and 95% intervals; lines are the fronts of
    UPEM. Up and left is better (the UPEM axis is upside down). A failure has multiply-adds, but no latency.
    ``baselines``, networks of other families by arch_id, are stars with their names, and have no UPEM.
    """
    names = baselines or {}
    costs, qualities = _costs(rows), _qualities(rows)
    colours = dict(zip(dict.fromkeys(row.series for row in rows), OKABE_ITO * len(rows), strict=False))
    series = [
        one
        for name, colour in colours.items()
        for own in [[row for row in rows if row.series == name]]
        for one in [*_fronts(own, colour, costs), *_points(own, colour, names), *_stars(own, colour, names)]
    ]
    figure = go.Figure(
        [{**one.trace, **_drawn("x", costs[0], one), **_drawn("y", qualities[0], one)} for one in series],
        {
            "template": "simple_white",
            "height": 620,
            "margin": {"l": 80, "r": 20, "t": 50, "b": 120},
            "font": {"family": "system-ui, sans-serif", "size": 14, "color": _INK},
            "hoverlabel": {"align": "left", "bgcolor": "white"},
            "hovermode": "closest",
            "showlegend": True,
            "legend": {"orientation": "h", "y": -0.17, "yanchor": "top", "itemsizing": "constant"},
            "xaxis": {"type": "log", "nticks": 4, "showgrid": True, "gridcolor": _FAINT},
            "yaxis": {"showgrid": True, "gridcolor": _FAINT},
            "updatemenus": [_menu("y", qualities, series), _menu("x", costs, series)],
        },
    )
    return figure.update_layout({**_layout("x", costs[0]), **_layout("y", qualities[0])})


def _costs(rows: Sequence[Row]) -> list[_Axis]:
    """Return the horizontal axes that there is something to show on: latency if any is known, and multiply-adds."""
    compute = _Axis("Multiply-adds", multiply_adds, lambda _: None, {"title.text": "Multiply-adds", "tickformat": "~s"})
    known = [(ms, row.cost_source or "") for row in rows if (ms := _latency_ms(row)) is not None]
    if not known:
        return [compute]
    unit = time_unit(ms for ms, _ in known)
    sources = sorted({source for _, source in known})
    title = "Measured host latency" if sources == ["measured"] else f"Latency ({', '.join(sources)}: see the legend)"

    def value(row: Row) -> float | None:
        return None if (ms := _latency_ms(row)) is None else ms * unit.per_ms

    def ends(row: Row) -> Ends | None:
        if row.host_ci_low_ms is None or row.host_ci_high_ms is None:
            return None
        return row.host_ci_low_ms * unit.per_ms, row.host_ci_high_ms * unit.per_ms

    return [_Axis("Latency", value, ends, {"title.text": f"{title}, median, {unit.name}", "tickformat": "~r"}), compute]


def _qualities(rows: Sequence[Row]) -> list[_Axis]:
    """Return the vertical axes that there is something to show on: UPEM, and target accuracy if any is known."""

    def percentage(row: Row) -> float | None:
        return None if row.target_accuracy is None else 100 * row.target_accuracy

    def ends(row: Row) -> Ends | None:
        if row.accuracy_ci_low is None or row.accuracy_ci_high is None:
            return None
        return 100 * row.accuracy_ci_low, 100 * row.accuracy_ci_high

    upem = {"title.text": "UPEM (lower is better)", "autorange": "reversed"}
    axes = [_Axis("UPEM", lambda row: row.upem, lambda _: None, upem)]
    if any(row.target_accuracy is not None for row in rows):
        axes.append(_Axis("Accuracy", percentage, ends, {"title.text": "Target accuracy, %", "range": [0, 100]}))
    return axes


def _latency_ms(row: Row) -> float | None:
    """Return a latency in ms, or of a row that has none but did not fail, what is predicted or estimated of it."""
    if row.status == "failed" or row.cost_source is None:
        return None
    return row.predicted_ms if row.host_p50_ms is None else row.host_p50_ms


def _fronts(rows: Sequence[Row], colour: str, costs: Sequence[_Axis]) -> list[_Series]:
    """Return one series' front for each cost; what the cost model predicts is on none, as nothing confirmed it."""
    name = f"{escape(rows[0].series)}: front"
    trace = {"mode": "lines", "line": {"shape": "hv", "color": colour, "width": 1.5}, "hoverinfo": "skip", "name": name}
    return [
        _Series(
            [rows[i] for i in pareto(rows, multiply_adds if axis.value is multiply_adds else drawn_latency)],
            {**trace, "connectgaps": True},
            only=axis,
        )
        for axis in costs
    ]


def _stars(rows: Sequence[Row], colour: str, names: Mapping[str, str]) -> list[_Series]:
    """Return one series' baselines."""
    own = [row for row in rows if row.arch_id in names]
    name = f"{escape(rows[0].series)}: baselines"
    trace = {
        "mode": "markers+text",
        "name": name,
        "legendgroup": name,
        "marker": {"symbol": "star", "color": colour, "size": 13},
        "text": [escape(names[row.arch_id]) for row in own],
        "textposition": "top left",
        "textfont": {"color": colour},
        "hoverinfo": "text",
        "hovertext": [f"<b>{escape(names[row.arch_id])}</b><br>{_hover(row)}" for row in own],
    }
    return [_Series(own, trace, intervals=True)] if own else []


def _points(rows: Sequence[Row], colour: str, names: Mapping[str, str]) -> list[_Series]:
    """Return one series' candidates and, drawn over them, its finalists, by kind."""
    series = []
    subnets = [row for row in rows if row.arch_id not in names]
    for selected in ("no", "yes"):
        for kind, symbol in _SYMBOLS.items():
            alike = [row for row in subnets if _kind(row) == kind]
            own = [row for row in alike if row.selected == selected]
            name = f"{escape(rows[0].series)}: {kind}"
            trace = {
                "mode": "markers+text" if selected == "yes" else "markers",
                "name": name,
                "legendgroup": name,
                "showlegend": selected == "yes" or all(row.selected == "no" for row in alike),
                "marker": {
                    "symbol": symbol,
                    "color": colour,
                    "size": 11 if selected == "yes" else 6,
                    "line": {"color": colour, "width": 2 if selected == "yes" else 1},
                },
                "opacity": 1 if selected == "yes" else 0.4,
                "text": [escape(", ".join(loosest_first(row.budgets))) for row in own],
                "textposition": "top left",
                "textfont": {"color": colour},
                "hoverinfo": "text",
                "hovertext": [_hover(row) for row in own],
            }
            if own:
                series.append(_Series(own, trace, intervals=selected == "yes"))
    return series


def _kind(row: Row) -> str:
    return row.status if row.status != "ok" else row.cost_source or "not measured"


def _hover(row: Row) -> str:
    """Say what is known of a row, as the lines of Plotly's own markup."""
    unit = time_unit([ms] if (ms := _latency_ms(row)) is not None else [])
    figure, beneath = latency(row, unit)
    right, ends = accuracy(row)
    facts = {
        "": f"<b>{escape(label(row))}</b>" if row.budget else "",
        "subnet": row.arch_id,
        "widths": re.sub(r"(.{40,}?-)", r"\1<br>", row.widths),
        "device": escape(f"{row.device}, {row.precision}, batch {row.batch_size}"),
        "multiply-adds": f"{count(row.macs)} ({percent(row.compute_fraction)} of full)",
        "latency": f"{figure} {unit.name} ({beneath})" if beneath else figure,
        "UPEM": UNKNOWN if row.upem is None else f"{row.upem:.4f}",
        "agreement": UNKNOWN if row.agreement is None else percent(row.agreement),
        "target accuracy": f"{right} ({ends})" if ends else right,
        row.status: escape(row.reason or ""),
    }
    return "<br>".join(f"{name} {text}".strip() for name, text in facts.items() if text and text != UNKNOWN)


def _drawn(letter: str, axis: _Axis, series: _Series) -> dict[str, Any]:
    """Return what a trace shows along one axis: its values, and its intervals where it has any."""
    rows = series.rows if series.only is None or letter == "y" or series.only is axis else []
    values = [axis.value(row) for row in rows]
    ends = [axis.ends(row) if series.intervals else None for row in rows]
    if not any(ends):
        return {letter: values, f"error_{letter}": {"visible": False}}
    reach = [
        (0.0, 0.0) if value is None or end is None else (end[1] - value, value - end[0])
        for value, end in zip(values, ends, strict=True)
    ]
    bars = {"array": [up for up, _ in reach], "arrayminus": [down for _, down in reach]}
    return {letter: values, f"error_{letter}": {"type": "data", "symmetric": False, "thickness": 1.5, **bars}}


def _menu(letter: str, axes: Sequence[_Axis], series: Sequence[_Series]) -> dict[str, Any]:
    """Return the buttons that switch one axis, at its far end."""
    buttons = []
    for axis in axes:
        drawn = [_drawn(letter, axis, one) for one in series]
        traces = {name: [one[name] for one in drawn] for name in (letter, f"error_{letter}")}
        buttons.append({"label": axis.button, "method": "update", "args": [traces, _layout(letter, axis)]})
    return {
        "type": "buttons",
        "direction": "right",
        "buttons": buttons,
        "visible": len(axes) > 1,
        **_CORNERS[letter],
    }


def _layout(letter: str, axis: _Axis) -> dict[str, Any]:
    """Return the looks of an axis; a range is overruled by ``autorange``, but turns an upside-down axis round again."""
    return {f"{letter}axis.{name}": value for name, value in {"autorange": True, **axis.layout}.items()}
