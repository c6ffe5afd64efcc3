"""The estimate against public measurements of boards (benchmarks/estimate_error.py)."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from benchmarks.boards import NCNN, TILE_32_BIT, TILE_64_BIT, TOPHUB, in_order_rate
from benchmarks.estimate_error import Point, crossed, inverted, one_width_apart, ranking, spearman, unbeaten
from benchmarks.workloads import NETWORKS, Convolution, ncnn_latencies, network_layers, tophub_latencies
from tests.sources import ROOT

DATA = next((p / "shared/data/latency" for p in ROOT.parents if (p / "shared/data/latency").is_dir()), None)


needs_measurements = pytest.mark.skipif(
    DATA is None, reason="no public measurements beside the repository (shared/data/latency)"
)


def test_the_error_table_says_in_one_sentence_that_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.estimate_error", "--data", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("skipped: the published measurements are not there")
    assert done.stdout.count("\n") == 1


@needs_measurements
def test_boards_are_ranked_as_they_were_measured() -> None:
    """The least that an estimate is for; the whole table is benchmarks/estimate_error.py's."""
    assert DATA is not None
    for name in ("resnet18", "resnet50", "mobilenet"):
        layers = network_layers(NETWORKS[name])
        points = [Point(layers.estimate_ms(board.roof), ncnn_latencies(DATA, board)[name]) for board in NCNN]
        assert spearman(points) > 0.9
        apart = ranking(list(combinations(points, 2)), apart=2.0)
        assert apart.right / apart.pairs > 0.95


def convolutions_by_board() -> dict[str, dict[Convolution, Point]]:
    assert DATA is not None
    return {
        board.name: {
            convolution: Point(convolution.layers.estimate_ms(board.roof), fastest.ms)
            for convolution, fastest in tophub_latencies(DATA, board).items()
        }
        for board in TOPHUB
    }


@needs_measurements
def test_every_pair_of_widths_that_any_growing_cost_has_right_is_right_on_every_board() -> None:
    for name, found in convolutions_by_board().items():
        pairs = one_width_apart(found)
        assert len(pairs) > 300, name
        assert ranking(pairs) == (len(pairs) - len(inverted(pairs)), len(pairs)), name


@needs_measurements
def test_more_of_one_width_and_less_of_the_other_is_ranked_as_it_was_measured_on_every_board() -> None:
    for name, found in convolutions_by_board().items():
        right, pairs = ranking(crossed(unbeaten(found)), apart=2.0)
        assert pairs > 60, name
        assert right / pairs > 0.8, name


@needs_measurements
def test_single_convolutions_rank_the_boards_as_they_were_measured() -> None:
    found = convolutions_by_board()
    for one, other in combinations(found, 2):
        shared = found[one].keys() & found[other].keys()
        right, pairs = ranking([(found[one][c], found[other][c]) for c in shared])
        assert pairs > 20, (one, other)
        assert right / pairs > 0.75, (one, other)


def convolution(inputs: int, outputs: int, size: int = 7, *, depthwise: bool = False) -> Convolution:
    return Convolution(depthwise, inputs, outputs, (size, size), (3, 3), (1, 1), (1, 1, 1, 1))


def test_a_pair_of_widths_is_one_convolution_but_for_one_width_and_the_narrower_comes_first() -> None:
    wide, narrow, other = convolution(8, 8), convolution(8, 4), convolution(4, 8)
    found = {wide: Point(4, 40), narrow: Point(2, 50), other: Point(3, 30), convolution(8, 4, 14): Point(9, 90)}
    assert one_width_apart(found) == [(found[narrow], found[wide]), (found[other], found[wide])]
    assert crossed(found) == [(found[narrow], found[other])]
    assert inverted(one_width_apart(found)) == [1.25]


def test_a_convolution_is_beaten_by_a_faster_one_that_computes_it_too() -> None:
    wide, narrow, larger = convolution(8, 8), convolution(4, 4), convolution(8, 8, 14)
    assert wide.covers(narrow)
    assert not narrow.covers(wide)
    assert unbeaten({wide: Point(1, 2), narrow: Point(1, 3), larger: Point(1, 1)}).keys() == {wide, larger}
    assert unbeaten({wide: Point(1, 3), narrow: Point(1, 3)}).keys() == {wide, narrow}
    assert not convolution(8, 8).covers(convolution(4, 4, depthwise=True))


def test_equal_estimates_are_no_pair_in_the_right_order() -> None:
    assert ranking([(Point(1, 2), Point(1, 3)), (Point(1, 3), Point(2, 2)), (Point(1, 2), Point(2, 3))]) == (1, 2)


def test_an_in_order_core_stands_still_while_it_loads() -> None:
    assert in_order_rate(TILE_64_BIT) == pytest.approx(8 * 12 / (24 + 2 * 5))
    assert in_order_rate(TILE_32_BIT) == pytest.approx(8 * 6 / (12 + 2 * 3.5))
    assert in_order_rate((4, 4)) < in_order_rate(TILE_32_BIT) < in_order_rate(TILE_64_BIT) < 4
