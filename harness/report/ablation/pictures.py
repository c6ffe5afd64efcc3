"""Pictures of the ablation: lines with their intervals over seeds."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from itertools import islice, zip_longest

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.report.ablation.results import SOURCE_STATISTICS, Seeded

_COLOURS = ("#999999", "#000000", "#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#D55E00", "#0072B2")
_MARKERS = ("o", "s", "^")
#: Lines that fit into a legend inside the panel.
_INSIDE = 7
#: Panels beside each other, at most.
_COLUMNS = 3

BUDGET_AXIS = "share of the full multiply-adds"
ACCURACY_AXIS = "target accuracy, % (mean, 95% interval over seeds)"


def draw_ablation(values: Seeded) -> Figure:
    """Return accuracy against budget, a line per method with its interval over seeds, a panel per task."""
    return draw_panels({ACCURACY_AXIS: values}, BUDGET_AXIS, dashed=(SOURCE_STATISTICS,))


def draw_panels(rows: Mapping[str, Seeded], x_label: str, *, dashed: Collection[str] = ()) -> Figure:
    """Return a panel per task for each quantity (by its axis' label), in rows of equal length, at most three."""
    tasks = next(iter(rows.values())).tasks
    lines = max(1, math.ceil(len(tasks) / _COLUMNS))
    columns = max(1, math.ceil(len(tasks) / lines))
    outside = max(len(values.lines) for values in rows.values()) > _INSIDE
    size = (1.5 + (9.5 if outside else 6.0) * columns, 0.4 + 4.2 * len(rows) * lines)
    figure = Figure(figsize=size, layout="constrained")
    panels = iter(figure.subplots(len(rows) * lines, columns, squeeze=False).flat)
    for y_label, values in rows.items():
        for task, panel in zip_longest(tasks, islice(panels, lines * columns)):
            if task is None:
                panel.set_axis_off()
                continue
            _draw(panel, values, task, dashed)
            panel.set_title(task)
            panel.set_xlabel(x_label)
            panel.set_ylabel(y_label)
            panel.grid(alpha=0.25)
            panel.spines[["top", "right"]].set_visible(False)
            if outside:
                panel.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
            else:
                panel.legend(frameon=False, fontsize=8, loc="best")
    return figure


def _draw(panel: Axes, values: Seeded, task: str, dashed: Collection[str]) -> None:
    """Draw a task's lines; columns that are numbers stand at their values, others one beside the other."""
    numbers = all(column.isdecimal() for column in values.columns)
    places = [float(column) for column in values.columns] if numbers else list(np.arange(len(values.columns)))
    for index, line in enumerate(values.lines):
        found = [(x, e) for x, c in zip(places, values.columns, strict=True) if (e := values.mean(task, line, c))]
        if not found:
            continue
        x = np.array([place for place, _ in found])
        mean, low, high = (np.array([getattr(e, name) for _, e in found]) for name in ("mean", "low", "high"))
        colour = _COLOURS[index % len(_COLOURS)]
        style = "--" if line in dashed else "-"
        marker = _MARKERS[index // len(_COLOURS) % len(_MARKERS)] if len(x) <= 20 else ""
        panel.plot(x, mean, style, marker=marker, markersize=4, color=colour, label=line)
        if not np.isnan(low).any():
            panel.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
    if numbers:
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        panel.set_xticks(places, values.columns)
