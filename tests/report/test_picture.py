import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from PIL import Image

from harness.report import Row, draw_tradeoff
from harness.report.picture import tradeoff_figure

from .factory import BUDGETS, row, tradeoff, unmeasured


def labels(axes: Axes) -> list[Annotation]:
    return [text for text in axes.texts if isinstance(text, Annotation)]


def drawn(axes: Axes, gid: str) -> list[tuple[float, float]]:
    lines = [line for line in axes.lines if line.get_gid() == gid]
    return [(float(x), float(y)) for line in lines for x, y in zip(*line.get_data(), strict=True)]  # type: ignore[arg-type]


def all_text(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text) if isinstance(text, Text))


@pytest.fixture(scope="module")
def troubled() -> list[Row]:
    """Two devices with the same subnets chosen; on the second one failed and another is noisy and borderline."""
    rows = tradeoff(labels=True) + tradeoff(device="pi5", speed=0.3, labels=True)
    rows[-1] = unmeasured(rows[-1], status="failed", reason="out of memory", within_budget=None, predicted_ms=0.0777)
    doubt: dict[str, Any] = {"status": "noisy", "reason": "±12%", "within_budget": "borderline"}
    rows[-3] = dataclasses.replace(rows[-3], budget="1/16;0.1ms", **doubt)
    return rows


@pytest.fixture(scope="module")
def figure(troubled: list[Row]) -> Figure:
    figure = tradeoff_figure(troubled, title="Two devices")
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("with_labels", [False, True])
def test_the_file_is_a_wide_png(tmp_path: Path, with_labels: bool) -> None:
    draw_tradeoff(tradeoff(labels=with_labels), tmp_path / "tradeoff.png")
    with Image.open(tmp_path / "tradeoff.png") as image:
        assert image.format == "PNG"
        assert image.width == 2400
        assert image.height > (1600 if with_labels else 1000)
        assert image.height < (2400 if with_labels else 1400)
    assert len(list(tmp_path.iterdir())) == 1


def test_every_finalist_is_drawn_and_named_where_it_belongs() -> None:
    rows = tradeoff()
    latency, compute = tradeoff_figure(rows, title="").axes[:2]
    chosen = [row for row in rows if row.selected == "yes"]
    assert drawn(latency, "finalist") == [(row.host_p50_ms, row.upem) for row in chosen]
    assert drawn(compute, "finalist") == [(row.macs, row.upem) for row in chosen]
    for axes in (latency, compute):
        assert {label.get_text() for label in labels(axes)} == set(BUDGETS)
        assert len(drawn(axes, "candidates")) == len(rows)
    ends = {x for x, _ in drawn(latency, "latency interval")}
    assert ends == {end for row in chosen for end in (row.host_ci_low_ms, row.host_ci_high_ms)}


def test_accuracy_has_panels_only_where_it_is_known(figure: Figure) -> None:
    assert [axes.get_ylabel() for axes in figure.axes] == ["Target accuracy, %", "", "UPEM (lower is better)", ""]
    assert [axes.get_ylabel() for axes in tradeoff_figure(tradeoff(), title="").axes] == ["UPEM (lower is better)", ""]


def test_a_failure_is_named_and_has_no_latency(figure: Figure, troubled: list[Row]) -> None:
    accuracy_by_latency, accuracy_by_compute, upem_by_latency, upem_by_compute = figure.axes
    failed = troubled[-1]
    for axes in (accuracy_by_latency, upem_by_latency):
        assert len(drawn(axes, "finalist")) == 13
        assert all(x != pytest.approx(0.0777) for x, _ in drawn(axes, "candidates") + drawn(axes, "finalist"))
    assert "× 1/64 failed on pi5: out of memory" in all_text(figure)
    for axes in (accuracy_by_compute, upem_by_compute):
        assert "1/64 · failed on pi5" in [label.get_text() for label in labels(axes)]
        crosses = [line for line in axes.lines if line.get_marker() == "x"]
        assert [line.get_xdata()[0] for line in crosses] == [failed.macs]  # type: ignore[index]


def test_doubt_is_said_in_words_and_seen(figure: Figure, troubled: list[Row]) -> None:
    axes = figure.axes[2]
    assert "1/16, 0.1ms · noisy · borderline" in [label.get_text() for label in labels(axes)]
    noisy = next(line for line in axes.lines if line.get_gid() == "finalist" and line.get_fillstyle() == "left")
    assert noisy.get_xdata()[0] == troubled[-3].host_p50_ms  # type: ignore[index]


def test_devices_are_told_apart_by_colour_and_marker(figure: Figure) -> None:
    finalists = [line for line in figure.axes[2].lines if line.get_gid() == "finalist"]
    assert {(line.get_color(), line.get_marker()) for line in finalists} == {("#0072B2", "o"), ("#D55E00", "s")}


def test_no_label_covers_another_or_leaves_its_panel(figure: Figure) -> None:
    for axes in figure.axes:
        boxes = [Text.get_window_extent(label) for label in labels(axes)]
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
        panel = axes.get_window_extent().padded(1)
        assert all(panel.contains(*corner) for box in boxes for corner in (box.min, box.max))


def test_limits_are_marked_on_the_axis_that_they_limit(figure: Figure) -> None:
    tops = [[tick.get_text() for tick in axes.child_axes[0].get_xticklabels()] for axes in figure.axes[:2]]
    assert tops == [["0.1ms"], list(BUDGETS)]


def test_what_was_estimated_is_not_called_measured() -> None:
    estimated = [
        unmeasured(r, cost_source="estimated", predicted_ms=7.0 + r.macs / 1e6) for r in tradeoff(candidates=9)
    ]
    text = all_text(tradeoff_figure(estimated, title=""))
    assert "Estimated latency" in text
    assert "Measured" not in text
    mixed = tradeoff_figure([*estimated, *tradeoff(device="pi5")], title="")
    assert "hollow: estimated, not measured" in all_text(mixed)


def test_estimated_points_are_hollow_where_measured_ones_are_full() -> None:
    def faces(axes: Axes, gid: str) -> set[str]:
        return {str(line.get_markerfacecolor()) for line in axes.lines if line.get_gid() == gid}

    measured = tradeoff(candidates=9)
    estimated = [unmeasured(r, cost_source="estimated", predicted_ms=7.0 + r.macs / 1e6) for r in measured]
    borderline = [dataclasses.replace(r, within_budget="borderline" if r.budget else None) for r in estimated]
    for rows in (estimated, borderline):
        latency, compute = tradeoff_figure(rows, title="").axes
        assert faces(latency, "finalist") == {"white"}
        assert faces(latency, "candidates") == {"none"}
        assert faces(compute, "finalist") == {"#0072B2"}
    latency = tradeoff_figure(measured, title="").axes[0]
    assert faces(latency, "finalist") == {"#0072B2"}
    assert "none" not in faces(latency, "candidates")


def test_a_prediction_is_no_latency_to_draw() -> None:
    predicted = [unmeasured(r, cost_source="predicted", predicted_ms=1.0) for r in tradeoff(candidates=9)]
    latency = tradeoff_figure(predicted, title="").axes[0]
    assert latency.get_xlabel() == "Host latency: not measured"
    assert drawn(latency, "finalist") == drawn(latency, "candidates") == []


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row()],
        [unmeasured(row(), status="failed", reason="no memory")],
        [row(upem=None, budget="1", selected="yes")],
        [row(arch_id=f"{i:012x}", budget=f"{i}ms", selected="yes") for i in range(1, 12)],
    ],
)
def test_poor_tables_still_give_a_picture(tmp_path: Path, rows: list[Row]) -> None:
    draw_tradeoff(rows, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 10_000


def test_a_narrow_range_still_has_a_readable_scale() -> None:
    alike = [
        row(arch_id=f"{i:012x}", host_p50_ms=0.061 + i / 1000, host_ci_low_ms=None, host_ci_high_ms=None)
        for i in range(5)
    ]
    axes = tradeoff_figure(alike, title="").axes[0]
    low, high = axes.get_xlim()
    assert sum(low <= tick <= high for tick in axes.get_xticks()) >= 3
