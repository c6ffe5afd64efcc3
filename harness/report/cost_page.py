"""The page's section on the cost models: how far off they were, drawn and in words."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import plotly.graph_objects as go
from plotly.io import to_html

from harness.report.cost_models import CostModelRecord, Errors, Unseen
from harness.report.cost_words import cost_sentences, held, off, rank_correlation
from harness.report.looks import OKABE_ITO
from harness.report.words import TimeUnit, digits, time_unit

_INK, _GREY, _FAINT = "#222222", "#767676", "#E6E6E6"
_HEADINGS = ("Mean", "90%", "99%", "Rank correlation", "Within 95% interval")


def cost_section(models: Mapping[str, CostModelRecord]) -> str:
    """Return the section on the models of a run's configurations, by name; nothing where there are none.

    Plotly must be in the page already.
    """
    if not models:
        return ""
    head = "".join(f'<th class="n">{heading}</th>' for heading in _HEADINGS)
    lines = "\n".join(line for name, model in models.items() for line in _lines(name, model))
    chart = to_html(unseen_chart(models), include_plotlyjs=False, full_html=False, div_id="cost-models")
    sentences = "\n".join(
        f"<p>{escape(text)}</p>" for name, own in models.items() for text in cost_sentences(name, own)
    )
    return (
        "<h2>Predicted latency <span>how far it was off on networks measured after the fit</span></h2>\n"
        f'<div class="wide"><table>\n<tr><th>Device</th><th>Predicted by</th>{head}</tr>\n{lines}\n</table></div>\n'
        f"{chart}\n{sentences}"
    )


def unseen_chart(models: Mapping[str, CostModelRecord]) -> go.Figure:
    """Draw the predicted latency of networks measured after the fit, with its interval, against the measured one."""
    shown = [network for model in models.values() for network in model.unseen]
    ends = [ms for network in shown for ms in (network.measured_ms, network.predicted_ms)]
    unit = time_unit(ends)
    colours = dict(zip(models, OKABE_ITO * len(models), strict=False))
    reach = [edge(ends) * unit.per_ms for edge in (min, max)] if ends else []
    equal = {"mode": "lines", "line": {"color": _GREY, "width": 1, "dash": "dot"}, "hoverinfo": "skip"}
    axis = {"type": "log", "nticks": 4, "tickformat": "~r", "showgrid": True, "gridcolor": _FAINT}
    return go.Figure(
        [
            {"x": reach, "y": reach, "name": "as measured", **equal},
            *(_points(name, model.unseen, colours[name], unit) for name, model in models.items()),
        ],
        {
            "template": "simple_white",
            "height": 460,
            "margin": {"l": 80, "r": 20, "t": 20, "b": 60},
            "font": {"family": "system-ui, sans-serif", "size": 14, "color": _INK},
            "hoverlabel": {"align": "left", "bgcolor": "white"},
            "hovermode": "closest",
            "xaxis": {"title": {"text": f"Measured latency, {unit.name}"}, **axis},
            "yaxis": {"title": {"text": f"Predicted, 95% interval, {unit.name}"}, **axis},
        },
    )


def _points(name: str, networks: list[Unseen], colour: str, unit: TimeUnit) -> dict[str, object]:
    def scaled(values: list[float]) -> list[float]:
        return [value * unit.per_ms for value in values]

    return {
        "mode": "markers",
        "name": escape(name),
        "marker": {"color": colour, "size": 7},
        "x": scaled([own.measured_ms for own in networks]),
        "y": scaled([own.predicted_ms for own in networks]),
        "error_y": {
            "type": "data",
            "symmetric": False,
            "thickness": 1.2,
            "array": scaled([own.high_ms - own.predicted_ms for own in networks]),
            "arrayminus": scaled([own.predicted_ms - own.low_ms for own in networks]),
        },
        "hoverinfo": "text",
        "hovertext": [_hover(name, own, unit) for own in networks],
    }


def _hover(name: str, own: Unseen, unit: TimeUnit) -> str:
    measured, predicted, low, high = (
        digits(ms * unit.per_ms) for ms in (own.measured_ms, own.predicted_ms, own.low_ms, own.high_ms)
    )
    facts = (f"{name}: {own.widths}", f"measured {measured} {unit.name}", f"predicted {predicted} ({low}–{high})")
    return "<br>".join(map(escape, facts))


def _lines(name: str, model: CostModelRecord) -> list[str]:
    """Return a line of the table for each way to predict."""
    ways = {
        f"cost model, {model.layers} layers and {model.networks} networks measured": model.held_out,
        "multiply-adds alone": model.macs_only,
        "parameters alone": model.params_only,
    }
    return [f"<tr><td>{escape(name)}</td><td>{escape(way)}</td>{_figures(errors)}</tr>" for way, errors in ways.items()]


def _figures(errors: Errors) -> str:
    figures = (off(errors.mean), off(errors.p90), off(errors.p99), rank_correlation(errors), held(errors))
    return "".join(f'<td class="n">{figure}</td>' for figure in figures)
