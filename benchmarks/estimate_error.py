"""How far can `--estimate` be trusted? The roofline against published measurements of boards.

Networks by ncnn's own table (Jetsons and Raspberry Pis), single convolutions by TVM's TopHub, and the sanity fences of
MLPerf and torch2trt. Nothing is fitted: the figures are in the shipped profiles and in benchmarks/boards.py.

Usage: python -m benchmarks.estimate_error [--data FOLDER]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, permutations
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torchvision.models as zoo
import typer
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from benchmarks.boards import FENCES, NCNN, TOPHUB, Board
from benchmarks.workloads import (
    NCNN_FILE,
    NETWORKS,
    TOPHUB_FILE,
    Convolution,
    Layers,
    ncnn_latencies,
    network_layers,
    tophub_latencies,
)
from harness.report.words import digits

DATA = Path("../shared/data/latency")
#: Estimates this far apart are called clearly different.
CLEARLY = 2.0


class Point(NamedTuple):
    """One latency in milliseconds, estimated and measured."""

    estimated: float
    measured: float

    @property
    def ratio(self) -> float:
        """Measured over estimated."""
        return self.measured / self.estimated


class Ranking(NamedTuple):
    """Pairs of latencies, and how many the estimate has in the order measured."""

    right: int
    pairs: int

    def __str__(self) -> str:
        return f"{self.right} of {self.pairs}" + (f" ({self.right / self.pairs:.0%})" if self.pairs else "")


def spearman(points: Sequence[Point]) -> float:
    """Return the rank correlation of estimated and measured."""
    return float(spearmanr([p.estimated for p in points], [p.measured for p in points]).statistic)


def ranking(pairs: Sequence[tuple[Point, Point]], apart: float = 1.0) -> Ranking:
    """Count the pairs in the right order among those whose estimates differ, at least by the factor `apart`."""
    wanted = [(a, b) for a, b in pairs if max(a[0] / b[0], b[0] / a[0]) >= apart and a[0] != b[0]]
    right = sum((a.estimated < b.estimated) == (a.measured < b.measured) for a, b in wanted)
    return Ranking(right, len(wanted))


def one_width_apart(found: Mapping[Convolution, Point]) -> list[tuple[Point, Point]]:
    """Return the pairs of convolutions that differ in one width alone, the narrower first."""
    return [
        (found[narrow], found[wide])
        for narrow, wide in permutations(found, 2)
        if narrow.differs_in_one_width(wide) and wide.covers(narrow)
    ]


def crossed(found: Mapping[Convolution, Point]) -> list[tuple[Point, Point]]:
    """Return the pairs of which one has more input and the other more output channels, all else equal."""
    return [
        (found[a], found[b]) for a, b in combinations(found, 2) if a.is_alike(b) and not a.covers(b) and not b.covers(a)
    ]


def inverted(pairs: Sequence[tuple[Point, Point]]) -> list[float]:
    """Return how many times as long the narrower took, of the pairs (narrower, wider) in which it took no less.

    No cost that grows with the width has such a pair in the order measured.
    """
    return [narrow.measured / wide.measured for narrow, wide in pairs if narrow.measured >= wide.measured]


def unbeaten(found: Mapping[Convolution, Point]) -> dict[Convolution, Point]:
    """Return the convolutions less those that a wider one, which computes them too, was measured faster than."""
    return {
        own: point
        for own, point in found.items()
        if not any(other.covers(own) and theirs.measured < point.measured for other, theirs in found.items())
    }


def spread(points: Sequence[Point]) -> str:
    """Write the ratios' 10th, 50th and 90th percentiles."""
    low, middle, high = np.percentile([point.ratio for point in points], (10, 50, 90))
    return f"{low:.1f}  {middle:.1f}  {high:.1f}"


def networks(data: Path, layers: dict[str, Layers], console: Console) -> None:
    """Print ncnn's boards: every network's error, and how networks and boards are ranked."""
    table = Table("board", "", *layers, "rank", title="ncnn: estimated / measured ms (measured over estimated)")
    found: dict[Board, dict[str, Point]] = {}
    for board in NCNN:
        measured = ncnn_latencies(data, board)
        own = {
            name: Point(network.estimate_ms(board.roof), measured[name])
            for name, network in layers.items()
            if name in measured
        }
        found[board] = own
        cells = [
            f"{digits(p.estimated)} / {digits(p.measured)} ({digits(p.ratio, 2)})" if (p := own.get(n)) else ""
            for n in layers
        ]
        setting = board.precision if board.is_gpu else f"{board.precision} {board.threads}t"
        table.add_row(board.name, setting, *cells, f"{spearman(list(own.values())):.2f}")
    console.print(table)
    columns = ("network", "processors", "ratio p10 p50 p90", "rank", "pairs of processors right", "2x apart")
    summary = Table(*columns, title="ncnn: processors at their most threads, ranked")
    whole = {board.name: own for board, own in reversed(found.items())}
    for name in layers:
        points = [own[name] for own in whole.values() if name in own]
        pairs = list(combinations(points, 2))
        rank = f"{spearman(points):.2f}"
        summary.add_row(
            name, str(len(points)), spread(points), rank, *map(str, (ranking(pairs), ranking(pairs, CLEARLY)))
        )
    console.print(summary)
    for kind, is_gpu in (("processors", False), ("graphics processors", True)):
        points = [point for board, own in found.items() if board.is_gpu == is_gpu for point in own.values()]
        console.print(f"{kind}: ratio p10 p50 p90 {spread(points)} over {len(points)} latencies")


def convolutions(data: Path, console: Console) -> None:
    """Print TopHub's boards: the error over all convolutions, and whether widths and boards are ranked right."""
    found: dict[str, dict[Convolution, Point]] = {}
    days: dict[str, dict[Convolution, str]] = {}
    table = Table(
        *("board", "convolutions", "ratio p10 p50 p90", "below 1", "rank"),
        *("pairs of one width right", "inverted as measured", "crossed, 2x apart", "unbeaten", "crossed, 2x apart"),
        title="TopHub: single convolutions, fp32, the best schedule found",
    )
    for board in TOPHUB:
        measured = tophub_latencies(data, board)
        own = {c: Point(c.layers.estimate_ms(board.roof), fastest.ms) for c, fastest in measured.items()}
        found[board.name], days[board.name] = own, {c: fastest.day for c, fastest in measured.items()}
        points = list(own.values())
        pairs, kept = one_width_apart(own), unbeaten(own)
        inversions = inverted(pairs)
        worst = f"{len(inversions)}: {np.median(inversions):.2f}x, up to {max(inversions):.2f}x" if inversions else "0"
        below = sum(point.ratio < 1 for point in points)
        table.add_row(
            *(board.name, str(len(own)), spread(points), str(below), f"{spearman(points):.2f}"),
            *(str(ranking(pairs)), worst, str(ranking(crossed(own), CLEARLY))),
            *(str(len(kept)), str(ranking(crossed(kept), CLEARLY))),
        )
    console.print(table)
    for name, own in found.items():
        for day in sorted(set(days[name].values())):
            then = {c: point for c, point in own.items() if days[name][c] == day}
            widths = ranking(one_width_apart(then))
            console.print(f"{name}, {day}: ratio {spread(list(then.values()))} over {len(then)}; widths right {widths}")
    for one, other in combinations(found, 2):
        pairs = [(found[one][c], found[other][c]) for c in found[one].keys() & found[other].keys()]
        console.print(f"{one} against {other}: {ranking(pairs)} in the right order, {ranking(pairs, CLEARLY)} 2x apart")


def fences(layers: dict[str, Layers], console: Console) -> None:
    """Print the published figures of TensorRT and TFLite beside the estimate."""
    table = Table("board", "", "runtime", "network", "estimated ms", "published p50 ms", "ratio", title="Sanity fences")
    points = []
    for fence in FENCES:
        point = Point(layers[fence.network].estimate_ms(fence.board.roof), fence.p50_ms)
        points.append(point)
        figures = (digits(point.estimated), digits(point.measured), digits(point.ratio, 2))
        table.add_row(fence.board.name, fence.board.precision, fence.runtime, fence.network, *figures)
    console.print(table)
    pairs = list(combinations(points, 2))
    console.print(f"ratio p10 p50 p90 {spread(points)}; rank {spearman(points):.2f}; pairs right {ranking(pairs)}")


def main(
    data: Annotated[Path, typer.Option(help="Folder with ncnn_benchmark/ and tophub_conv_layers/.")] = DATA,
) -> None:
    """Print the error tables."""
    missing = [str(data / name) for name in (NCNN_FILE, TOPHUB_FILE) if not (data / name).is_file()]
    if missing:
        typer.echo(
            f"skipped: the published measurements are not there ({', '.join(missing)}); name their folder: --data"
        )
        return
    console = Console(width=190)
    layers = {name: network_layers(make) for name, make in NETWORKS.items()}
    networks(data, layers, console)
    convolutions(data, console)
    fences({**layers, "resnet34": network_layers(zoo.resnet34)}, console)


if __name__ == "__main__":
    typer.run(main)
