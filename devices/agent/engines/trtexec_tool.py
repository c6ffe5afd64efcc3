"""The program trtexec: where it is, which version, and the options that mean the same in all of them.

What a version measures by default differs (transfers, CUDA graphs, how it waits), so that everything is said aloud.
Options and forms of files: NVIDIA/TensorRT, samples/trtexec and samples/common, tags 8.5.2, v10.3.0 and v11.0.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from .contract import EngineError, Samples
from .libraries import release
from .program import run
from .tensorrt_rules import WORKSPACE_MIB, version_numbers

_PLACES = ("/usr/src/tensorrt/bin/trtexec", "/opt/tensorrt/bin/trtexec")  # JetPack and Debian packages; containers
_HELP_S = 60.0
#: Not JSON, but how C++ prints numbers that are not finite.
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity"}


class Output(NamedTuple):
    """An output as trtexec writes it, to six digits."""

    shape: tuple[int, ...]
    values: list[float]


class Trtexec:
    """The trtexec of this device; raises `EngineError` where there is none that can be used."""

    def __init__(self) -> None:
        self._path = _find()
        found = re.search(r"\[TensorRT v(\d+)\]", run([self._path, "--help"], Path.cwd(), _HELP_S))
        if found is None:
            raise EngineError("%s does not tell its version" % self._path)
        self.version = release(int(found.group(1)))
        self._numbers = version_numbers(self.version)

    def build(self, network: Path, plan: Path, precision: str, timings: Path, limit_s: float) -> None:
        """Build `network` into the file `plan` without running it; raises `EngineError`."""
        skip = "--skipInference" if self._numbers >= (8, 6) else "--buildOnly"
        command = [
            *(self._path, "--onnx=%s" % network, "--saveEngine=%s" % plan, skip, "--noTF32"),
            *("--memPoolSize=workspace:%d" % WORKSPACE_MIB, "--timingCacheFile=%s" % timings),
        ]
        if precision != "fp32" and self._numbers < (11,):  # since then the file's types alone decide
            command.append("--" + precision)
        run(command, plan.parent, limit_s)

    def execute(self, folder: Path, tensor: str, warm_ms: int, runs: int, limit_s: float) -> tuple[Samples, Output]:
        """Run the engine `plan` in `folder` on the input `input.bin` there; raises `EngineError`.

        It runs for `warm_ms` milliseconds and then `runs` times. A run's host time is from the start of the copy in to
        the end of the copy back, by one clock, that of the device; with --exposeDMA no run overlaps its neighbour.
        """
        times, output = folder / "times.json", folder / "output.json"
        for file in (times, output):
            if file.exists():
                file.unlink()
        later = ["--includeDataTransfers", "--noCudaGraph"]  # and it spins; before, the others were the defaults
        run(
            [
                *(self._path, "--loadEngine=plan", "--loadInputs=%s:input.bin" % tensor, "--exposeDMA"),
                *(later if self._numbers >= (11,) else ["--useSpinWait"]),
                *("--warmUp=%d" % warm_ms, "--iterations=%d" % runs, "--duration=0"),
                *("--exportTimes=%s" % times.name, "--exportOutput=%s" % output.name),
            ],
            folder,
            limit_s,
        )
        return read_times(_text(times), runs), read_output(_text(output))


def read_times(text: str, runs: int) -> Samples:
    """Return the last `runs` runs of a file that --exportTimes has written; raises `EngineError` for nonsense."""
    try:
        entries = json.loads(text)
        found = [(_number(e["startH2dMs"]), _number(e["endD2hMs"]), _number(e["computeMs"])) for e in entries[-runs:]]
    except (ValueError, TypeError, KeyError) as error:
        raise EngineError("the times that trtexec wrote cannot be read: %s" % (error or "it wrote none")) from error
    if len(found) < runs:
        raise EngineError("trtexec wrote the times of %d runs, not %d" % (len(found), runs))
    samples = Samples(
        [round((end - start) * 1e6) for start, end, _ in found], [round(compute * 1e6) for _, _, compute in found]
    )
    if min(samples.host + samples.compute) <= 0:
        raise EngineError("trtexec wrote a run that took no time")
    return samples


def read_output(text: str) -> Output:
    """Return the one output of a file that --exportOutput has written; raises `EngineError` for anything else."""
    text = re.sub(
        r"(?<![\w\"])(nan|inf)(?![\w\"])", lambda found: _NOT_FINITE[found.group()], text.replace("-nan", "nan")
    )
    try:
        (entry,) = json.loads(text)
        shape = tuple(int(size) for size in re.findall(r"\d+", entry["dimensions"]))
        values = [float(value) for value in entry["values"]]
    except (ValueError, TypeError, KeyError) as error:
        raise EngineError("the output that trtexec wrote cannot be read: %s" % error) from error
    if len(values) != _product(shape):
        raise EngineError("trtexec wrote %d values for an output of shape %s" % (len(values), list(shape)))
    return Output(shape, values)


def _find() -> str:
    for path in [*_PLACES, "trtexec"]:
        found = shutil.which(path)
        if found:
            return found
    raise EngineError(
        "trtexec is neither at %s nor in the PATH; JetPack's packages bring it" % " nor at ".join(_PLACES)
    )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError("trtexec wrote no %s: %s" % (file.name, error)) from error


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("%r is no time" % (value,))
    return float(value)


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product
