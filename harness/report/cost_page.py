"""The page's section on the cost models: how far off they were, drawn and in words."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from harness.report.cost_models import CostModelRecord, Errors
from harness.report.cost_words import cost_sentences, held, off, rank_correlation

_HEADINGS = ("Mean", "90%", "99%", "Rank correlation", "Within 95% interval")


def cost_section(models: Mapping[str, CostModelRecord]) -> str:
    """Return the section on the models of a run's configurations, by name; nothing where there are none.

    The page's script draws into the place for the chart.
    """
    if not models:
        return ""
    head = "".join(f'<th class="n">{heading}</th>' for heading in _HEADINGS)
    lines = "\n".join(line for name, model in models.items() for line in _lines(name, model))
    chart = '<div class="chart" id="cost-models" role="img" aria-label="Predicted against measured latency"></div>'
    sentences = "\n".join(
        f"<p>{escape(text)}</p>" for name, own in models.items() for text in cost_sentences(name, own)
    )
    return (
        '<section id="costs">\n'
        "<h2>Predicted latency <span>how far it was off on networks measured after the fit</span></h2>\n"
        f'<div class="wide"><table>\n<tr><th>Device</th><th>Predicted by</th>{head}</tr>\n{lines}\n</table></div>\n'
        f"{chart}\n{sentences}\n</section>"
    )


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
