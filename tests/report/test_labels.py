import itertools

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from harness.report.labels import Label, place_labels


def boxes(labels: list[Label], crowd: list[tuple[float, float]]) -> tuple[Bbox, list[Bbox]]:
    figure = Figure(figsize=(6, 4), dpi=100)
    axes = figure.subplots()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.text(0.4, 0.55, "already here")
    place_labels(axes, labels, crowd=crowd)
    figure.draw_without_rendering()
    return axes.get_window_extent(), [Text.get_window_extent(text) for text in axes.texts]


@pytest.mark.parametrize("centre", [(0.5, 0.5), (0.02, 0.97), (0.99, 0.01)])
def test_a_cluster_of_points_gets_labels_that_are_apart_and_inside(centre: tuple[float, float]) -> None:
    points = [(centre[0] + 0.004 * i, centre[1] - 0.01 * i) for i in range(-1, 6)]
    inside = [(min(max(x, 0), 1), min(max(y, 0), 1)) for x, y in points]
    labels = [Label(x, y, f"1/{2**i} · noisy", "black") for i, (x, y) in enumerate(inside)]
    panel, placed = boxes(labels, [])
    assert len(placed) == 8
    assert not any(one.overlaps(other) for one, other in itertools.combinations(placed, 2))
    assert all(panel.padded(1).contains(*corner) for box in placed for corner in (box.min, box.max))


def test_a_label_goes_where_the_crowd_is_not() -> None:
    above = [(0.3 + 0.01 * i, 0.3 + 0.01 * j) for i in range(-30, 31) for j in range(1, 30)]
    _, (_, label) = boxes([Label(0.3, 0.3, "1/8", "black")], above)
    _, (_, free) = boxes([Label(0.3, 0.3, "1/8", "black")], [])
    assert label.y1 < free.y0


def test_no_labels_are_placed_for_no_points() -> None:
    assert len(boxes([], [])[1]) == 1
