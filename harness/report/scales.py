"""Logarithmic axes with plain numbers, and the limits marked on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

_STEPS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9))
_FEWEST_TICKS, _MOST_TICKS = 3, 8
#: Of the axis, between two ticks: what "200 µs" takes, and a gap.
_LEAST_DISTANCE = 0.11


def plain_log_ticks(axes: Axes, write: Callable[[float], str]) -> None:
    """Tick a logarithmic axis at round numbers, three to eight of them, written out."""
    low, high = axes.get_xlim()
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    choices = [[step * 10.0**decade for decade in decades for step in steps] for steps in _STEPS]
    choices.insert(0, list(MaxNLocator(4).tick_values(low, high)))
    choices = [[tick for tick in ticks if low <= tick <= high] for ticks in choices]
    readable = [ticks for ticks in choices if _FEWEST_TICKS <= len(ticks) <= _MOST_TICKS and _apart(ticks, low, high)]
    ticks = readable[-1] if readable else choices[0]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    axes.set_xlim(low, high)


def _apart(ticks: Sequence[float], low: float, high: float) -> bool:
    least = _LEAST_DISTANCE * math.log(high / low)
    return all(math.log(later / earlier) >= least for earlier, later in pairwise(ticks))


def no_ticks(axes: Axes) -> None:
    """Leave the horizontal axis without any scale."""
    axes.xaxis.set_major_locator(NullLocator())
    axes.xaxis.set_minor_locator(NullLocator())


def mark_limits(panels: Sequence[Axes], limits: Mapping[str, float], colour: str) -> None:
    """Draw a dotted line through all panels (of one horizontal axis) at each limit in view, named on top."""
    low, high = panels[0].get_xlim()
    inside = {name: value for name, value in limits.items() if low <= value <= high}
    if not inside:
        return
    for axes in panels:
        for value in inside.values():
            axes.axvline(value, color=colour, linewidth=0.8, linestyle=(0, (1, 2.5)), zorder=1)
    top = panels[0].secondary_xaxis("top")
    top.set_ticks(list(inside.values()), labels=list(inside))
    top.xaxis.set_minor_locator(NullLocator())
    top.tick_params(length=0, labelcolor=colour, labelsize=10)
    top.spines["top"].set_visible(False)
