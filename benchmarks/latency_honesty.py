"""Does the harness add anything to what it times? Its host p50 against a bare loop, and the null test.

Harness and bare loop take turns, each in fresh processes on the same cores, over the same session
configuration. The rule: medians over processes agree within the larger of 2% and 3 microseconds.

Usage: python -m benchmarks.latency_honesty [MODEL.onnx] [--threads 1] [--processes 6] [--pairs 20]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import typer
from onnx import TensorProto, helper, numpy_helper

from devices import Device, connect, load_profile
from harness.measuring import Subject, null_test
from harness.measuring.process import Plan, measure_process
from harness.measuring.statistics import equality_tolerance, median_interval, percentile

_BARE_LOOP = Path(__file__).with_name("bare_loop.py")
_SEED = 0
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


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


def take_turns(device: Device, subject: Subject, anchor: Subject, processes: int) -> tuple[list[float], list[float]]:
    """Return the medians, in nanoseconds, of the harness's processes and of the bare loop's, in alternating order."""
    harness: list[float] = []
    bare: list[float] = []
    for index in range(processes):
        _stay_on_cores(index // 2, device.profile.threads)
        if index % 2:
            bare.append(_bare_p50(device, subject))
        harness.append(_harness_p50(device, subject, anchor, index))
        if not index % 2:
            bare.append(_bare_p50(device, subject))
    return harness, bare


def _stay_on_cores(index: int, threads: int) -> None:
    """Hold this process, and those it starts, on as many cores as threads: the same ones for both sides of a pair.

    Cores of a shared host differ by a quarter for seconds at a time, and a loop and an agent are not placed alike.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {_CORES[(index + other) % len(_CORES)] for other in range(threads)})


def _harness_p50(device: Device, subject: Subject, anchor: Subject, index: int) -> float:
    plan = Plan("finalist", device.profile.protocol, (_SEED, index), time.monotonic() + 600, wanted_samples=30)
    return measure_process(device, [subject], anchor, plan).records[subject.name].p50_ns


def _bare_p50(device: Device, subject: Subject) -> float:
    protocol = device.profile.protocol
    numbers = (device.profile.threads, protocol.warmup_seconds, protocol.process_seconds)
    arguments = [str(subject.file), *map(str, numbers)]
    output = subprocess.run(
        [sys.executable, str(_BARE_LOOP), *arguments], check=True, capture_output=True, timeout=600
    ).stdout
    return percentile(json.loads(output), 50)


def main(
    model: Annotated[Path | None, typer.Argument(help="An ONNX file with a fixed input shape.")] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    processes: Annotated[int, typer.Option(min=6, help="Fresh processes of each side.")] = 6,
    pairs: Annotated[int, typer.Option(min=2, help="Pairs of the null test.")] = 20,
) -> None:
    """Print both medians, their difference, the tolerance, and the null test; exit 1 where the rule is broken."""
    with tempfile.TemporaryDirectory() as folder:
        anchor_file, subject_file = Path(folder, "wide.onnx"), model or Path(folder, "narrow.onnx")
        onnx.save(small_network(64), anchor_file)
        if model is None:
            onnx.save(small_network(32), subject_file)
        subject, anchor = Subject("subject", subject_file, "subject"), Subject("anchor", anchor_file, "anchor")
        with connect(load_profile("cpu").override(threads=threads)) as device:
            harness, bare = take_turns(device, subject, anchor, processes)
            null = null_test(device, subject, seed=_SEED, pairs=pairs)
    for name, medians in (("harness", harness), ("bare loop", bare)):
        interval = median_interval(medians)
        assert interval is not None
        each = " ".join(f"{value / 1e3:.1f}" for value in medians)
        bounds = f"[{interval.low / 1e3:.2f}, {interval.high / 1e3:.2f}]"
        print(f"{name:10} host p50 {interval.estimate / 1e3:9.2f} us, 95% {bounds} over {processes} processes: {each}")
    reference = float(np.median(bare))
    difference_ns = float(np.median(harness)) - reference
    allowed_ns = equality_tolerance(reference) * reference
    agrees = abs(difference_ns) <= allowed_ns
    print(
        f"difference {difference_ns / 1e3:+.2f} us ({difference_ns / reference:+.1%}), "
        f"tolerance {allowed_ns / 1e3:.2f} us: {'agrees' if agrees else 'DOES NOT AGREE'}"
    )
    print(
        f"null test over {pairs} pairs: ratio {null.ratio:.4f}, 90% [{null.low:.4f}, {null.high:.4f}], "
        f"tolerance {null.tolerance:.1%}: {'equivalent' if null.equivalent else 'NOT EQUIVALENT'}; "
        f"rate of false differences {null.false_differences:.0%}"
    )
    raise typer.Exit(0 if agrees and null.equivalent else 1)


if __name__ == "__main__":
    typer.run(main)
