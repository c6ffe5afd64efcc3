"""trtexec: options, defaults and files of the version in question, as far as they are used."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from .binding import TimingCache
from .plan import BuildError, Plan, PlanError, build, fault, halved, parse, quantised

_COMMON = {
    *(
        "onnx",
        "saveEngine",
        "loadEngine",
        "timingCacheFile",
        "memPoolSize",
        "noTF32",
        "warmUp",
        "iterations",
        "duration",
    ),
    *("exposeDMA", "noDataTransfers", "useSpinWait", "useCudaGraph", "exportTimes", "exportOutput", "loadInputs"),
    *("avgRuns", "verbose", "help", "device", "separateProfileRun"),
}
_SINCE_10 = {"skipInference", "stronglyTyped", "builderOptimizationLevel", "infStreams"}
_UNTIL_10 = {"fp16", "int8", "best"}
_SINCE_11 = {"includeDataTransfers", "noCudaGraph", "noSpinWait"}
_KEYS = ["startEnqMs", "endEnqMs", "startH2dMs", "endH2dMs", "startComputeMs", "endComputeMs", "startD2hMs", "endD2hMs"]


class Trace(NamedTuple):
    """When one run began and ended each of its steps, in milliseconds since the first."""

    enqueue: tuple[float, float]
    copy_in: tuple[float, float]
    compute: tuple[float, float]
    copy_back: tuple[float, float]


class Tool:
    """One run of the program."""

    def __init__(self, version: str, arguments: list[str]) -> None:
        self._version = version
        self._numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
        self._arguments = arguments
        self._options = dict(self._option(argument) for argument in arguments)

    def run(self) -> None:
        """Do what was asked."""
        print(f"&&&& RUNNING {self._title()} # {' '.join(sys.argv)}", flush=True)
        if not self._options or "help" in self._options:
            print("=== Model Options ===\n  --onnx=<file>               ONNX model")
            return
        known = _COMMON | (_SINCE_10 if self._numbers >= (10,) else {"buildOnly"})
        known |= _UNTIL_10 if self._numbers < (11,) else _SINCE_11
        for name in self._options:
            if name not in known:
                self._fail(f"Unknown option: --{name} {self._options[name]}")
        content = self._load() if "loadEngine" in self._options else self._build()
        if "buildOnly" in self._options or "skipInference" in self._options:
            print("[I] Skipped inference phase since --skipInference is added.")
        else:
            self._infer(self._plan(content))
        print(f"&&&& PASSED {self._title()} # {' '.join(sys.argv)}")

    def _option(self, argument: str) -> tuple[str, str]:
        if not argument.startswith("--"):
            self._fail(f"Unknown option: {argument}")
        name, _, value = argument[2:].partition("=")
        return name, value

    def _title(self) -> str:
        major, minor, patch = self._numbers
        number = 1000 * major + 100 * minor + patch if major < 10 else 10000 * major + 100 * minor + patch
        return f"TensorRT.trtexec [TensorRT v{number}]" + (" [b114]" if major >= 11 else "")

    def _fail(self, reason: str) -> NoReturn:
        print(f"[01/02/2024-03:04:05] [E] {reason}", file=sys.stderr)
        print(f"&&&& FAILED {self._title()} # {' '.join(sys.argv)}", file=sys.stderr)
        sys.exit(1)

    def _load(self) -> bytes:
        try:
            return Path(self._options["loadEngine"]).read_bytes()
        except OSError as error:
            self._fail(f"Error opening engine file: {error}")

    def _plan(self, content: bytes) -> Plan:
        try:
            return Plan(content, self._version)
        except PlanError as error:
            self._fail(str(error))

    def _build(self) -> bytes:
        cache = Path(self._options["timingCacheFile"]) if "timingCacheFile" in self._options else None
        timings = TimingCache(cache.read_bytes() if cache and cache.exists() else b"", self._version)
        recipe = {
            "version": self._version,
            "fp16": "fp16" in self._options,
            "int8": "int8" in self._options,
            "tf32": "noTF32" not in self._options,
            "workspace": self._workspace(),
        }
        try:
            model = parse(Path(self._options["onnx"]).read_bytes(), self._numbers)
            if self._numbers >= (11,):
                recipe.update(fp16=halved(model), int8=quantised(model))
            content = build(model, recipe, timings.layers)
        except (OSError, BuildError) as error:
            print(f"[01/02/2024-03:04:05] [E] {error}", file=sys.stderr)
            self._fail("Engine could not be created from network")
        if cache:
            cache.write_bytes(timings.serialize())
        if "saveEngine" in self._options:
            Path(self._options["saveEngine"]).write_bytes(content)
        return content

    def _workspace(self) -> int:
        pool, _, size = self._options.get("memPoolSize", "workspace:0").partition(":")
        if pool != "workspace":
            self._fail(f"Unknown memory pool: {pool}")
        return int(float(size)) << 20

    def _infer(self, plan: Plan) -> None:
        what = fault(plan, first=self._options.get("iterations") == "1")
        if what == "run fails":
            self._fail("Error occurred during inference")
        inputs = {name: np.random.default_rng(0).random(shape, np.float32) for name, shape in plan.inputs.items()}
        for spec in filter(None, self._options.get("loadInputs", "").split(",")):
            name, _, file = spec.rpartition(":")
            if name not in inputs:
                self._fail(f"Cannot find input tensor with name {name!r}")
            content = Path(file).read_bytes()
            if len(content) != inputs[name].nbytes:
                self._fail(f"Unexpected file size for input file: {file}.")
            inputs[name] = np.frombuffer(content, "<f4").reshape(inputs[name].shape)
        traces, outputs = self._loop(plan, inputs)
        if "exportTimes" in self._options:
            Path(self._options["exportTimes"]).write_text(_times(traces, what))
        if "exportOutput" in self._options:
            Path(self._options["exportOutput"]).write_text(_outputs(outputs))

    def _loop(
        self, plan: Plan, inputs: dict[str, npt.NDArray[np.float32]]
    ) -> tuple[list[Trace], dict[str, npt.NDArray[np.float32]]]:
        warm_ms = float(self._options.get("warmUp", 200))
        iterations, duration_ms = (
            int(self._options.get("iterations", 10)),
            1e3 * float(self._options.get("duration", 3)),
        )
        transfers = "noDataTransfers" not in self._options
        if self._numbers >= (11,):
            transfers = "includeDataTransfers" in self._options
        start = time.perf_counter()
        traces: list[Trace] = []
        while True:
            times = [1e3 * (time.perf_counter() - start)]
            device = {name: value.copy() for name, value in inputs.items()}
            times.append(1e3 * (time.perf_counter() - start))
            outputs = plan.run(device)
            times.append(1e3 * (time.perf_counter() - start))
            outputs = {name: value.copy() for name, value in outputs.items()}
            times.append(1e3 * (time.perf_counter() - start))
            begun, copied, done, fetched = times
            if "exposeDMA" not in self._options and traces:  # the copy in is begun while the run before it computes
                begun = traces[-1].compute[0]
            copy_in, copy_back = ((begun, copied), (done, fetched)) if transfers else ((copied,) * 2, (done,) * 2)
            trace = Trace((copied, copied), copy_in, (copied, done), copy_back)
            if copied >= warm_ms:
                traces.append(trace)
            if len(traces) >= max(1, iterations) and copied >= warm_ms + duration_ms:
                return traces, outputs


def _times(traces: list[Trace], what: str) -> str:
    if what == "no times":
        return "[\n]\n"
    if what == "empty times":
        return ""
    lines = []
    for trace in traces[: 1 if what == "few times" else None]:
        moments = dict(zip(_KEYS, (moment for step in trace for moment in step), strict=True))
        lasting = {
            "h2dMs": trace.copy_in[1] - trace.copy_in[0],
            "computeMs": trace.compute[1] - trace.compute[0],
            "d2hMs": trace.copy_back[1] - trace.copy_back[0],
        }
        entry = {**moments, **lasting, "latencyMs": sum(lasting.values())}
        if what == "zero times":
            entry = dict.fromkeys(entry, 0.0)
        if what == "negative times":
            entry["computeMs"] *= -1
        if what == "missing keys":
            del entry["computeMs"]
        lines.append("{ " + ", ".join(f'"{key}" : {value:.6g}' for key, value in entry.items()) + " }\n")
    return "[\n  " + ", ".join(lines) + "]\n"


def _outputs(outputs: dict[str, npt.NDArray[np.float32]]) -> str:
    entries = [
        f'{{ "name" : "{name}"\n  , "dimensions" : "({", ".join(map(str, value.shape))})"\n'
        f'  , "values" : [ {", ".join(f"{number:.6g}" for number in value.reshape(-1))} ]\n  }}\n'
        for name, value in outputs.items()
    ]
    return "[\n  " + ", ".join(entries) + "]\n"


def main(version: str) -> None:
    """Run with the arguments of this process."""
    Tool(version, sys.argv[1:]).run()
