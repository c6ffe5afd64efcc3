"""What drawn things look like: colours, the marker of every device, and how a marker tells what is in doubt."""

from __future__ import annotations

from typing import Any, NamedTuple

from harness.report.rows import Row
from harness.report.words import flags

INK, NEUTRAL, GREY, FAINT = "#222222", "#444444", "#767676", "#E6E6E6"
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours that the colour-blind tell apart; each device in each precision has one, and a marker of its own."""
STAR = "*"
"""The marker of baselines."""
_MARKERS = ("o", "s", "D", "^", "v", "P")
STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.xmargin": 0.09,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "text.color": INK,
}


class Look(NamedTuple):
    """Of a series: one device in one precision, at one batch size."""

    colour: str
    marker: str


def series_look(index: int) -> Look:
    """Return the look of a series by its place among all."""
    return Look(OKABE_ITO[index % len(OKABE_ITO)], _MARKERS[index % len(_MARKERS)])


def estimated(row: Row) -> bool:
    """Say whether a row's cost comes from published figures."""
    return row.cost_source == "estimated"


def marker(row: Row, look: Look, on_device: bool) -> dict[str, Any]:
    """Return a finalist's marker: full if all is well, half for borderline, hollow if in doubt, a cross if failed.

    An estimate is hollow whatever its budget: nothing was measured that could be borderline.
    """
    if row.status == "failed":
        return {"marker": "x", "color": look.colour, "markersize": 9, "markeredgewidth": 2.2}
    half = on_device and not estimated(row) and row.within_budget == "borderline"
    hollow = on_device and not half and (bool(flags(row)) or estimated(row))
    return {
        "linestyle": "none",
        "marker": look.marker,
        "markersize": 13 if look.marker == STAR else 8,
        "color": look.colour,
        "fillstyle": "left" if half else "full",
        "markerfacecolor": "white" if hollow else look.colour,
        "markerfacecoloralt": "white",
        "markeredgecolor": look.colour if hollow or half else "white",
        "markeredgewidth": 1.6 if hollow or half else 0.8,
    }
