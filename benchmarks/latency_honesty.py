"""Does the harness add anything to what it times? Its host p50 against a bare loop, and the null test.

A pair is a fresh process of the harness, which measures as it measures finalists, and a fresh bare loop over the same
session configuration, alive together on the same cores and taking turns round by round: what slows the host for seconds
slows both. The rule: medians over processes agree within the larger of 2% and 3 microseconds. Beside it stand the ratio
within rounds, with its interval over pairs, and what shows whether slowness was shared.

Usage: python -m benchmarks.latency_honesty [MODEL.onnx] [--anchor WIDE.onnx] [--threads 1] [--processes 9] [--pairs 20]
Exit status: 1 where the rule is broken or the null test fails, 2 where nothing could be compared.
"""

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import onnx
import typer
from onnx import TensorProto, helper, numpy_helper
from scipy.stats import spearmanr

from benchmarks.turns import Pair, take_turns
from devices import DeviceError, connect, load_profile
from harness.measuring import MeasurementError, NullTest, Subject, null_test
from harness.measuring.statistics import (
    Interval,
    equality_tolerance,
    log_ratio,
    median_interval,
    percentile,
    t_interval,
)

_SEED = 0
SLOW = 1.15
"""A process is called slow from this multiple of its side's fastest process on."""


def small_network(channels: int) -> onnx.ModelProto:
    """Return four 3x3 convolutions over a 16x16 grey image, `channels` wide, with pooling: some ten microseconds."""
    rng = np.random.default_rng(_SEED)
    nodes, weights, last, inputs = [], [], "input", 1
    for layer in range(4):
        weight = rng.normal(0, 0.1, (channels, inputs, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"weight{layer}"))
        conv = helper.make_node("Conv", [last, f"weight{layer}"], [f"conv{layer}"], pads=[1, 1, 1, 1])
        nodes += [conv, helper.make_node("Relu", [f"conv{layer}"], [f"relu{layer}"])]
        last, inputs = f"relu{layer}", channels
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["output"]))
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, 16, 16])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, channels, 1, 1])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@dataclass(frozen=True)
class Comparison:
    """What at least two pairs say; times in nanoseconds."""

    pairs: tuple[Pair, ...]

    @cached_property
    def harness(self) -> list[float]:
        """The median of each harness process."""
        return [_median(pair.harness) for pair in self.pairs]

    @cached_property
    def bare(self) -> list[float]:
        """The median of each bare loop."""
        return [_median(pair.bare) for pair in self.pairs]

    @property
    def difference(self) -> float:
        """The median over harness processes less that over bare loops."""
        return float(np.median(self.harness) - np.median(self.bare))

    @property
    def allowed(self) -> float:
        """The larger of 2% of the bare loop's median and 3 microseconds."""
        reference = float(np.median(self.bare))
        return equality_tolerance(reference) * reference

    @property
    def agrees(self) -> bool:
        """The rule: whether the difference is within what is allowed."""
        return abs(self.difference) <= self.allowed

    @property
    def ratio(self) -> Interval:
        """Harness over bare loop within rounds: a median per pair, and a 95% t interval over pairs."""
        return _ratio([log_ratio(pair.harness, pair.bare) for pair in self.pairs])

    @property
    def woken(self) -> float:
        """The bare loop's median over the first millisecond of its turns, the very first run left out.

        How much slower this is than whole turns is why the harness lets a visit settle before it times anything.
        """
        return _median([turn[1 : max(2, _runs_within(turn, 1e6))] for pair in self.pairs for turn in pair.bare])

    @property
    def shared(self) -> float:
        """Spearman's correlation over all rounds of the two sides' medians."""
        harness = [percentile(samples, 50) for pair in self.pairs for samples in pair.harness]
        bare = [percentile(samples, 50) for pair in self.pairs for samples in pair.bare]
        return float(spearmanr(harness, bare).statistic)

    @property
    def shared_by_processes(self) -> float:
        """Spearman's correlation over pairs of the two sides' medians."""
        return float(spearmanr(self.harness, self.bare).statistic)

    @property
    def slow(self) -> tuple[int, int, int]:
        """How many harness processes were slow, how many bare loops, and how many pairs on both sides."""
        harness, bare = _slow(self.harness), _slow(self.bare)
        return int(harness.sum()), int(bare.sum()), int((harness & bare).sum())


def report(found: Comparison) -> Iterator[str]:
    """Return the comparison in lines of words."""
    reference = float(np.median(found.bare))
    yield _side("harness", found.harness)
    yield _side("bare loop", found.bare)
    yield (
        f"difference {found.difference / 1e3:+.2f} us ({found.difference / reference:+.1%}), "
        f"allowed {found.allowed / 1e3:.2f} us: {'agrees' if found.agrees else 'DOES NOT AGREE'}"
    )
    yield f"harness / bare loop within rounds: {_words(found.ratio, reference)}"
    yield f"bare loop in the first millisecond after waking: {found.woken / 1e3:.2f} us, without the first run"
    yield (
        f"Spearman's correlation of the sides' medians: {found.shared:+.2f} over "
        f"{sum(len(pair.bare) for pair in found.pairs)} rounds, {found.shared_by_processes:+.2f} over processes"
    )
    harness, bare, both = found.slow
    yield (
        f"processes slower than {SLOW:g} of their side's fastest: {harness} of the harness, {bare} of the bare loop, "
        f"in {both} pairs both"
    )
    agent, loop = np.mean([pair.waiting_share for pair in found.pairs], axis=0)
    yield f"processor time used while the other had its turn: harness {agent:.1%}, bare loop {loop:.1%}"


def _side(name: str, medians: Sequence[float]) -> str:
    interval = median_interval(medians)
    assert interval is not None
    bounds = f"[{interval.low / 1e3:.2f}, {interval.high / 1e3:.2f}]"
    each = " ".join(f"{value / 1e3:.1f}" for value in medians)
    return (
        f"{name:9} host p50 {interval.estimate / 1e3:.2f} us, 95% {bounds}, {len(medians)} processes "
        f"({max(medians) / min(medians):.2f} from slowest to fastest): {each}"
    )


def _median(rounds: Sequence[Sequence[int]]) -> float:
    return percentile([sample for samples in rounds for sample in samples], 50)


def _runs_within(turn: Sequence[int], limit_ns: float) -> int:
    return int(np.searchsorted(np.cumsum(turn), limit_ns, side="right"))


def _ratio(log_ratios: Sequence[float]) -> Interval:
    interval = t_interval(log_ratios, 0.95)
    assert interval is not None
    return Interval(*map(math.exp, interval))


def _slow(medians: Sequence[float]) -> npt.NDArray[np.bool_]:
    return np.asarray(medians) >= SLOW * min(medians)


def _words(ratio: Interval, reference: float) -> str:
    estimate, low, high = ((value - 1) * reference / 1e3 for value in ratio)
    return (
        f"{ratio.estimate:.4f}, 95% over pairs [{ratio.low:.4f}, {ratio.high:.4f}]: "
        f"{estimate:+.2f} us [{low:+.2f}, {high:+.2f}]"
    )


def _null_words(null: NullTest) -> str:
    return (
        f"null test over {len(null.ratios)} pairs: ratio {null.ratio:.4f}, 90% [{null.low:.4f}, {null.high:.4f}], "
        f"tolerance {null.tolerance:.1%}: {'equivalent' if null.equivalent else 'NOT EQUIVALENT'}; "
        f"rate of false differences {null.false_differences:.0%}"
    )


def main(
    model: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="An ONNX file with a fixed input shape.")
    ] = None,
    anchor: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The harness's other network of every round.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    processes: Annotated[int, typer.Option(min=6, help="Fresh processes of each side.")] = 9,
    pairs: Annotated[int, typer.Option(min=2, help="Pairs of the null test.")] = 20,
) -> None:
    """Print both medians, their difference, the tolerance, and the null test; exit 1 where the rule is broken."""
    with tempfile.TemporaryDirectory() as folder:
        wide, narrow = Path(folder, "wide.onnx"), Path(folder, "narrow.onnx")
        onnx.save(small_network(64), wide)
        onnx.save(small_network(32), narrow)
        subject, other = Subject("subject", model or narrow, "subject"), Subject("anchor", anchor or wide, "anchor")
        load = os.getloadavg()[0]
        try:
            with connect(load_profile("cpu").override(threads=threads)) as device:
                taken = tuple(take_turns(device, subject, other, _SEED, index) for index in range(processes))
                found = Comparison(taken)
                null = null_test(device, subject, seed=_SEED, pairs=pairs)
        except (DeviceError, MeasurementError) as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error
    print(*report(found), _null_words(null), sep="\n")
    print(f"load average {load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end, {os.cpu_count()} cores")
    raise typer.Exit(0 if found.agrees and null.equivalent else 1)


if __name__ == "__main__":
    typer.run(main)
