"""The simplest honest loop over an ONNX Runtime session, to hold the harness against. It imports nothing of ours.

Usage: python benchmarks/bare_loop.py MODEL.onnx THREADS WARMUP_SECONDS
Loads the network, warms up and prints the seconds that a run took. Then, for every line on standard input, a number N,
it runs N times and prints the nanoseconds of each run as JSON. In between it is blocked in a read; it ends with its
input.
"""

import json
import os
import sys
import time

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # the runtime's own threads must not run beside the loop

import onnxruntime as ort


def main(model: str, threads: int, warmup_s: float) -> None:
    """Serve runs of `model`, after `warmup_s` seconds (and 10 runs, at least) of warm-up."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    if threads > 1:
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.intra_op.spin_duration_us", "1000")
        cores = sorted(os.sched_getaffinity(0), reverse=True)[:threads]
        os.sched_setaffinity(0, cores[:1])
        by_worker = ";".join(str(core + 1) for core in cores[1:])
        options.add_session_config_entry("session.intra_op_thread_affinities", by_worker)
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    graph_input = session.get_inputs()[0]
    feed = {graph_input.name: np.random.default_rng(0).standard_normal(graph_input.shape, dtype=np.float32)}
    warm, begin = 0, time.perf_counter()
    while warm < 10 or time.perf_counter() < begin + warmup_s:
        session.run(None, feed)
        warm += 1
    print((time.perf_counter() - begin) / warm, flush=True)
    for line in sys.stdin:
        samples: list[int] = []
        for _ in range(int(line)):
            start = time.perf_counter_ns()
            session.run(None, feed)
            samples.append(time.perf_counter_ns() - start)
        print(json.dumps(samples), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
