"""The agent's loop: read a request, do it, answer. Raw samples and raw outputs go back; nothing is computed from them.

Requests (all with `v`, `id`, `op`): `describe`, `load`, `round`, `infer`, `unload`, `telemetry`, `memory`, `energy`,
`close`. The agent reads networks from its work folder only, writes there and into its cache of engines, and ends itself
when the line closes or stays silent.
"""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from . import energy, host, wire
from .engines import Engines
from .engines.cache import EngineCache
from .engines.contract import EngineError, Model
from .engines.onnx_file import read
from .files import Files
from .peak_memory import PeakMemory
from .requests import (
    MAX_ENGINES,
    MAX_MEMORY_RUNS,
    MAX_MODELS,
    MAX_WINDOW_S,
    Refused,
    field,
    identity_of,
    settings_of,
    visits_of,
)
from .telemetry import Telemetry
from .telemetry.programs import power_mode

if TYPE_CHECKING:
    from .engines.contract import Array, Samples

_SEND_S = 60.0


class FailedVisit(EngineError):
    """The engine could not run the network of this handle, which it had loaded."""

    def __init__(self, message: str, handle: int) -> None:
        super().__init__(message)
        self.handle = handle


class Server:
    """What the agent holds: its work folder, its engines, the networks loaded, and the machine's sensors."""

    def __init__(self, work: str, root: str = "/", cache: str | None = None) -> None:
        self._work = Path(work).resolve()
        self._files = Files(root)
        self._telemetry = Telemetry(self._files)
        self._engines = Engines(EngineCache(Path(cache).resolve() if cache else self._work / "engines", self._system))
        self._models: dict[int, Model] = {}
        self._inputs: dict[int, Array] = {}
        self._handles = 0
        self._operations: dict[str, Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]] = {
            "describe": self._describe,
            "load": self._load,
            "round": self._round,
            "infer": self._infer,
            "unload": self._unload,
            "telemetry": self._read_telemetry,
            "memory": self._memory,
            "energy": self._energy,
        }

    def serve(self, line: wire.Line, silence_s: float) -> None:
        """Answer requests until `close`, the end of the line, or `silence_s` seconds without a request."""
        while True:
            try:
                request, blob = line.receive(silence_s)
            except (wire.Oversize, wire.Malformed) as error:
                line.send(_failure(None, "refused", str(error)), _SEND_S)
                continue
            except (wire.Closed, wire.Silent):
                return
            if request.get("op") == "close":
                line.send({"v": wire.VERSION, "id": identity_of(request), "ok": True}, _SEND_S)
                return
            reply, data = self._answer(request, blob)
            line.send(reply, _SEND_S, data)

    def _answer(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        identity = identity_of(request)
        try:
            if identity is None:
                raise Refused("a request is numbered by a whole number in 'id'")
            if request.get("v") != wire.VERSION:
                raise Refused("this agent speaks version %d, not %r" % (wire.VERSION, request.get("v")))
            operation = self._operations.get(field(request, "op", str))
            if operation is None:
                raise Refused("no operation is called %r" % request["op"])
            fields, data = operation(request, blob)
        except Refused as error:
            return _failure(identity, "refused", str(error)), b""
        except FailedVisit as error:
            return dict(_failure(identity, error.kind, str(error)), handle=error.handle), b""
        except EngineError as error:
            return _failure(identity, error.kind, str(error)), b""
        except Exception as error:
            return _failure(identity, "internal", "%s: %s" % (type(error).__name__, error)), b""
        return dict(fields, v=wire.VERSION, id=identity, ok=True), data

    def _describe(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Say what the machine is, and of every engine asked about what it is here or why it is missing."""
        names = field(request, "engines", list)
        if not all(type(name) is str for name in names) or len(names) > MAX_ENGINES:
            raise Refused("'engines' must be a list of at most %d names" % MAX_ENGINES)
        machine = dict(host.describe(self._files), **self._telemetry.facts())
        return {"host": machine, "engines": [self._engines.describe(name) for name in names]}, b""

    def _system(self) -> dict[str, str]:
        """Return what engines built here depend on beside the GPU: the release of Jetson Linux and the power mode."""
        mode, _ = power_mode(self._files)
        return {"l4t": host.l4t(self._files) or "", "power_mode": mode or ""}

    def _load(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Load a file and run it once: the first inference is recorded apart, and says whether the output is finite."""
        import numpy as np

        if len(self._models) >= MAX_MODELS:
            raise Refused("%d networks are loaded already" % MAX_MODELS)
        path = self._inside(field(request, "file", str))
        settings = settings_of(request)
        engine = self._engines.engine(field(request, "engine", str))
        offered = self._engines.describe(request["engine"])
        output_shape = _check(path, offered, settings.precision)
        start = time.perf_counter_ns()
        model = engine.load(path, settings)
        load_ns = time.perf_counter_ns() - start
        array = np.random.default_rng(0).standard_normal(model.input_shape, dtype=np.float32)
        try:
            start = time.perf_counter_ns()
            output = model.infer(array)
            first_ns = time.perf_counter_ns() - start
            if output.shape != output_shape and 0 not in output_shape:
                raise EngineError(
                    "the network answers with shape %s, its file says %s" % (list(output.shape), list(output_shape))
                )
        except EngineError:
            model.unload()  # what fails must not take memory from the others
            raise
        self._handles += 1
        self._models[self._handles] = model
        self._inputs[self._handles] = array
        reply = {
            "handle": self._handles,
            "load_ns": load_ns,
            "first_ns": first_ns,
            "input_shape": list(model.input_shape),
            "output_shape": list(output.shape),
            "finite": bool(np.isfinite(output).all()),
            "visit_s": offered.get("visit_s", 0.0),
        }
        return reply, b""

    def _round(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Run a list of visits `[handle, untimed, timed]` in its order; nanoseconds of every timed run go back.

        Between visits the sensors are read where that is due; at the end, where the request insists on it, in any case.
        """
        insist = request.get("reading") is True
        visits = visits_of(request)
        for handle, _, _ in visits:
            self._model(handle)
        before = host.state(self._files)
        found, readings = [], []
        collecting = gc.isenabled()
        gc.disable()  # a collection inside a run would be ours, not the network's
        try:
            for left, visit in enumerate(visits, start=1 - len(visits)):
                found.append(self._timed(*visit))
                readings += self._telemetry.due(insist and not left)
        finally:
            if collecting:
                gc.enable()
        reply = {
            "samples": [samples.host for samples in found],
            "compute": [samples.compute for samples in found],
            "before": before,
            "after": host.state(self._files),
            "readings": readings,
        }
        return reply, b""

    def _timed(self, handle: int, untimed: int, timed: int) -> Samples:
        try:
            return self._models[handle].visit(self._inputs[handle], untimed, timed)
        except EngineError as error:
            raise FailedVisit(str(error), handle) from error

    def _infer(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Run a network on the float32 input in the blob; its output goes back the same way."""
        import numpy as np

        model = self._model(field(request, "handle", int))
        if len(blob) != 4 * _product(model.input_shape):
            raise Refused("the input must be float32 of shape %s" % (list(model.input_shape),))
        array = np.frombuffer(blob, dtype="<f4").reshape(model.input_shape).astype(np.float32)
        output = np.ascontiguousarray(model.infer(array), dtype="<f4")
        return {"shape": list(output.shape)}, output.tobytes()

    def _unload(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        handle = field(request, "handle", int)
        model = self._model(handle)
        del self._inputs[handle], self._models[handle]
        model.unload()
        return {}, b""

    def _read_telemetry(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Read the sensors now."""
        return {"reading": self._telemetry.reading(), "state": host.state(self._files)}, b""

    def _memory(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Load and run a network in this process, which has done nothing else, and tell what memory that takes.

        A tiny network, `blank`, comes and goes first: what the runtime needs without a model is not the model's.
        """
        if self._handles:
            raise Refused("memory is measured in a fresh process")
        runs = field(request, "runs", int)
        if not 1 <= runs <= MAX_MEMORY_RUNS:
            raise Refused("memory is measured over 1 to %d runs" % MAX_MEMORY_RUNS)
        blank, _ = self._load(dict(request, file=field(request, "blank", str), precision="fp32"), b"")
        self._unload(blank, b"")
        peak = PeakMemory(self._telemetry)
        loaded, _ = self._load(request, b"")
        peak.look()
        model, array = self._models[loaded["handle"]], self._inputs[loaded["handle"]]
        for _ in range(runs):
            model.visit(array, 0, 1)
            peak.look()
        return dict(peak.found(), finite=loaded["finite"]), b""

    def _energy(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Read power while nothing runs and then while one network runs without pause; every reading goes back."""
        handle = field(request, "handle", int)
        model = self._model(handle)
        windows = [field(request, name, float) for name in ("idle_s", "warm_s", "steady_s")]
        if not all(0 <= seconds <= MAX_WINDOW_S for seconds in windows):
            raise Refused("a window is of 0 to %g s" % MAX_WINDOW_S)
        collecting = gc.isenabled()
        gc.disable()
        try:
            return energy.measure(model, self._inputs[handle], self._telemetry, *windows), b""
        finally:
            if collecting:
                gc.enable()

    def _model(self, handle: int) -> Model:
        if handle not in self._models:
            raise Refused("no network has the handle %d" % handle)
        return self._models[handle]

    def _inside(self, name: str) -> str:
        try:
            path = (self._work / name).resolve()
            inside, found = self._work in path.parents, path.is_file()
        except (OSError, ValueError, RuntimeError):  # no file can have that name, or links go round in circles
            inside, found = True, False
        if not inside:
            raise Refused("%r is outside the work folder" % name)
        if not found:
            raise Refused("the work folder has no file %r" % name)
        return str(path)


def _failure(identity: int | None, kind: str, message: str) -> dict[str, Any]:
    return {"v": wire.VERSION, "id": identity, "ok": False, "kind": kind, "message": message[:2000]}


def _check(path: str, offered: dict[str, Any], precision: str) -> tuple[int, ...]:
    """Raise `EngineError` for what the engine would run as something else; return the output's shape."""
    if precision not in offered["precisions"]:
        why = offered.get("refused", {}).get(precision)
        raise EngineError(
            "%s %s does not run %s here%s; it runs %s"
            % (
                *(offered["engine"], offered["version"], precision, " (%s)" % why if why else ""),
                ", ".join(offered["precisions"]),
            )
        )
    network = read(path)
    if any(4 * _product(value.shape) > wire.MAX_BLOB for value in network.inputs + network.outputs):
        raise EngineError("the network's input and output may take %d bytes each" % wire.MAX_BLOB)
    if precision == "int8" and not network.quantised:  # TensorRT would run it in float32, trtexec make scales up
        raise EngineError("the network has no quantised layers: int8 needs a file with QuantizeLinear nodes")
    if precision == "fp16" and not network.halved:
        raise EngineError("the network has no float16 weights: fp16 needs a file whose weights are in float16")
    return network.outputs[0].shape


def _product(shape: tuple[int, ...]) -> int:
    found = 1
    for extent in shape:
        found *= extent
    return found
