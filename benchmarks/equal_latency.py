"""At equal measured latency: what choosing by latency loses less than choosing by multiply-adds, over finished runs.

Every run measures, for each budget of compute, the subnet that multiply-adds alone choose and, in the same processes,
the one of least UPEM among those predicted to be no slower. This reads both from runs (of several seeds), with the
target accuracy that the run reports of them; no label chose either.

Usage: python benchmark.py --seed N --run runs/seed-N, for several N, and then
python -m benchmarks.equal_latency runs/seed-0 runs/seed-1 ...
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from harness.measuring.statistics import t_interval
from harness.report import Comparison, read_csv
from harness.running import read_record


class Gain(NamedTuple):
    """Of one budget in one run: the latency choice against the FLOPs choice."""

    log_speedup: float
    """About zero where the latencies are equal."""
    upem: float
    """By how much the UPEM is lower, as a share of the FLOPs choice's."""
    points: float
    """By how many points the target accuracy is higher."""


def gains(folder: Path) -> dict[str, Gain]:
    """Return what a run measured, by budget. Left out is what was not measured, or has no accuracy."""
    rows = read_csv(folder / "tradeoff.csv")
    found = {}
    for name, comparisons in read_record(folder).comparisons.items():
        accuracy = {row.arch_id: row.target_accuracy for row in rows if row.series == name}
        for comparison in comparisons:
            if gain := _gain(comparison, accuracy):
                found[comparison.budget] = gain
    return found


def _gain(comparison: Comparison, accuracy: Mapping[str, float | None]) -> Gain | None:
    other = comparison.same_latency
    if other is None or not other.speedup or other.partner_upem is None or not comparison.flops_upem:
        return None
    before, after = accuracy.get(comparison.flops_chosen), accuracy.get(other.partner)
    if before is None or after is None:
        return None
    return Gain(math.log(other.speedup), 1 - other.partner_upem / comparison.flops_upem, 100 * (after - before))


def shown(values: Sequence[float], digits: int, of: float = 1.0) -> str:
    """Write a mean with its 95% t interval over runs."""
    mean = of * sum(values) / len(values)
    interval = t_interval([of * value for value in values], 0.95)
    bounds = f" [{interval.low:.{digits}f}, {interval.high:.{digits}f}]" if interval else ""
    return f"{mean:+.{digits}f}{bounds}"


def main(runs: Annotated[list[Path], typer.Argument(help="Run folders, one per seed.", exists=True)]) -> None:
    """Print a Markdown table, a line for every budget."""
    by_budget: dict[str, list[Gain]] = defaultdict(list)
    means: list[float] = []
    for folder in runs:
        found = gains(folder)
        means.append(sum(gain.points for gain in found.values()) / len(found))
        for budget, gain in found.items():
            by_budget[budget].append(gain)
    print(f"\n{len(runs)} runs; means with 95% t intervals over runs\n")
    print("| budget of the FLOPs choice | runs | latency | UPEM, % | accuracy, points |\n|---|---|---|---|---|")
    for budget, own in by_budget.items():
        latency = math.exp(-sum(gain.log_speedup for gain in own) / len(own))
        upem, points = [gain.upem for gain in own], [gain.points for gain in own]
        print(f"| {budget} | {len(own)} | {latency:.3f}x | {shown(upem, 0, -100)} | {shown(points, 2)} |")
    print(f"| mean over budgets | {len(runs)} | | | {shown(means, 2)} |")


if __name__ == "__main__":
    typer.run(main)
