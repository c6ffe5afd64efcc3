"""TensorRT through trtexec, for boards without its Python binding.

Every visit starts the program anew. trtexec knows no caller: `host` latency here is from the start of the copy in to
the end of the copy back, by the device's clock; `compute` is the network alone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .contract import Engine, EngineError, Model, Samples, Settings
from .cudart import device_name
from .onnx_file import read
from .tensorrt_rules import BUILT_WITH, PRECISIONS, keys
from .trtexec_tool import Output, Trtexec

if TYPE_CHECKING:
    from .cache import EngineCache
    from .contract import Array
    from .onnx_file import Value

_START_S = 60.0  # for the program to start and load its engine
_WARM_MS = 200  # its own default; a device whose program has just started is not warm
_LONGEST_WARM_MS = 60_000


class TrtexecModel(Model):
    """An engine in a folder of its own, from which trtexec runs."""

    def __init__(self, tool: Trtexec, source: Value, plan: Path) -> None:
        self.input_shape = source.shape
        self._tool, self._name = tool, source.name
        self._run_s = 0.0
        self._folder = Path(tempfile.mkdtemp(prefix="trtexec-"))
        try:
            os.link(str(plan), str(self._folder / "plan"))  # so that the cache may drop its own
        except OSError:  # another file system
            shutil.copyfile(str(plan), str(self._folder / "plan"))

    def visit(self, array: Array, untimed: int, timed: int) -> Samples:
        """Start trtexec for `timed` runs, after a warm-up that covers `untimed` of them; raises `EngineError`."""
        warm_ms = min(max(_WARM_MS, int(1e3 * self._run_s * untimed)), _LONGEST_WARM_MS)
        samples, _ = self._execute(array, warm_ms, timed)
        return samples

    def infer(self, array: Array) -> Array:
        """Return the output, which trtexec writes to six digits; raises `EngineError`."""
        _, output = self._execute(array, 0, 1)
        return np.array(output.values, dtype=np.float32).reshape(output.shape)

    def unload(self) -> None:
        """Remove the folder."""
        shutil.rmtree(str(self._folder), ignore_errors=True)

    def _execute(self, array: Array, warm_ms: int, runs: int) -> tuple[Samples, Output]:
        try:
            (self._folder / "input.bin").write_bytes(np.ascontiguousarray(array, dtype="<f4").tobytes())
        except OSError as error:
            raise EngineError("the input cannot be written: %s" % error.strerror) from error
        limit_s = _START_S + warm_ms / 1e3 + 10 * runs * self._run_s
        samples, output = self._tool.execute(self._folder, self._name, warm_ms, runs, limit_s)
        self._run_s = max(samples.host) / 1e9
        return samples, output


class TrtexecEngine(Engine):
    """The trtexec found on this device."""

    def __init__(self, cache: EngineCache) -> None:
        self._tool = Trtexec()
        self._cache = cache
        self._device = device_name()

    def describe(self) -> dict[str, Any]:
        """Return the version and the configuration in words."""
        return {
            "version": self._tool.version,
            "precisions": list(PRECISIONS),
            "options": "built here (%s) with a timing cache; a process for every visit, host latency by the device's "
            "clock from the start of the copy in to the end of the copy back, from and to pinned memory, no overlap, "
            "no CUDA graph, waiting by spinning, at least %d ms of warm-up" % (BUILT_WITH, _WARM_MS),
            "builds": True,
            "visit_s": _START_S,
        }

    def load(self, path: str, settings: Settings) -> Model:
        """Take the kept engine of the file, or build one; raises `EngineError` with trtexec's own words."""
        source = read(path).source()
        runtime = {"engine": "trtexec", "version": self._tool.version, "gpu": self._device}
        key, timings = keys(self._cache, runtime, path, settings)
        plan = self._cache.find(key) or self._cache.keep(
            key, lambda made: self._tool.build(Path(path), made, settings.precision, timings, settings.limit_s)
        )
        return TrtexecModel(self._tool, source, plan)


def create(variant: str, cache: EngineCache) -> Engine:
    """Return the engine of this module; raises `EngineError` where it cannot be used."""
    return TrtexecEngine(cache)
