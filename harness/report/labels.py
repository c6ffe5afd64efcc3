"""Put labels beside their points so that none covers another, a marker or the edge of its panel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

Point = tuple[float, float]

_ANGLES = (135, 45, -45, -135, 90, 180, 0, -90, 112, 158, 67, 22, -22, -67, -112, -158)
_DISTANCES = (8, 12, 18, 25, 34, 46, 60, 77, 97, 120)
"""Where a label may go around its point: degrees, in order of preference, and points of 1/72 inch."""
_LEADER_FROM = 14
_MARKER = 10
_CLEARANCE = 2


class Label(NamedTuple):
    """A text that belongs to a point in data coordinates."""

    x: float
    y: float
    text: str
    colour: str


def place_labels(axes: Axes, labels: Sequence[Label], *, crowd: Sequence[Point] = ()) -> list[Annotation]:
    """Add the labels to ``axes``, each where it overlaps least; call this when the figure's layout is final.

    Overlap with another text, a labelled marker or the panel's edge costs most, covering a point of ``crowd`` (data
    coordinates) little, distance least. A label that ends up far from its point gets a thin leader.
    """
    if not labels:
        return []
    scale = axes.figure.dpi / 72
    taken = [text.get_window_extent() for text in axes.texts]
    taken += [_around(x, y, _MARKER * scale) for x, y in axes.transData.transform([label[:2] for label in labels])]
    dots = axes.transData.transform(crowd) if len(crowd) else np.empty((0, 2))
    placed = []
    for label in sorted(labels):
        note = _annotation(axes, label)
        size = Text.get_window_extent(note)
        point = axes.transData.transform(label[:2])
        boxes = [_box(point, offset, size, scale) for offset in _OFFSETS]
        costs = [_cost(box, taken, dots, axes.bbox) + _RELUCTANCE * rank for rank, box in enumerate(boxes)]
        best = int(np.argmin(costs))
        _move(note, _OFFSETS[best])
        taken.append(boxes[best].padded(_CLEARANCE * scale))
        if math.hypot(*_OFFSETS[best]) < _LEADER_FROM and note.arrow_patch is not None:
            note.arrow_patch.set_visible(False)
        placed.append(note)
    return placed


_OFFSETS = [
    (distance * math.cos(math.radians(angle)), distance * math.sin(math.radians(angle)))
    for distance in _DISTANCES
    for angle in _ANGLES
]
_RELUCTANCE = 0.1
"""What the next place in ``_OFFSETS`` costs more than the one before it, in covered points of the crowd."""


def _annotation(axes: Axes, label: Label) -> Annotation:
    return axes.annotate(
        label.text,
        label[:2],
        xytext=(0, 0),
        textcoords="offset points",
        color=label.colour,
        fontsize=10,
        zorder=6,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
        arrowprops={"arrowstyle": "-", "color": label.colour, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 5},
    )


def _growth(offset: Point) -> tuple[int, int]:
    """Return where a text at ``offset`` extends from its place: -1, 0 (centred) or 1 along each axis."""
    x, y = ((abs(part) > 0.3 * math.hypot(*offset)) * int(math.copysign(1, part)) for part in offset)
    return x, y


def _box(point: NDArray[np.float64], offset: Point, size: Bbox, scale: float) -> Bbox:
    x, y = (
        start + scale * shift + (growth - 1) * extent / 2
        for start, shift, growth, extent in zip(point, offset, _growth(offset), size.size, strict=True)
    )
    return Bbox.from_bounds(x, y, size.width, size.height)


def _move(note: Annotation, offset: Point) -> None:
    across, up = _growth(offset)
    note.set_position(offset)
    note.set_horizontalalignment("left" if across > 0 else "right" if across < 0 else "center")
    note.set_verticalalignment("bottom" if up > 0 else "top" if up < 0 else "center")


def _cost(box: Bbox, taken: Sequence[Bbox], dots: NDArray[np.float64], panel: Bbox) -> float:
    area = box.width * box.height
    outside = 1 - _shared_area(box, panel) / area
    covered = sum(_shared_area(box, other) for other in taken) / area
    inside = np.all((dots >= box.min) & (dots <= box.max), axis=1).sum()
    return 1000 * ((outside > 1e-6) + outside) + 200 * ((covered > 0) + covered) + float(inside)


def _shared_area(one: Bbox, other: Bbox) -> float:
    shared = Bbox.intersection(one, other)
    return float(shared.width * shared.height) if shared is not None else 0.0


def _around(x: float, y: float, width: float) -> Bbox:
    return Bbox.from_bounds(x - width / 2, y - width / 2, width, width)
