"""The agent's loop: read a request, do it, answer. Raw samples and raw outputs go back; nothing is computed from them.

Requests (all with `v`, `id`, `op`): `describe`, `load`, `round`, `infer`, `unload`, `close`. The agent reads files of
its work folder only, and ends itself when the line closes or stays silent.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from . import engines, host, wire
from .engines.contract import EngineError, Model

if TYPE_CHECKING:
    from .engines.contract import Array

MAX_RUNS = 100_000  # runs of one round request: bounds the answer's size
MAX_MODELS = 1024
MAX_ENGINES = 16
_SEND_S = 60.0


class Refused(Exception):
    """The request is not one this agent accepts."""


class Server:
    """What the agent holds: its work folder and the networks loaded."""

    def __init__(self, work: str) -> None:
        self._work = Path(work).resolve()
        self._models: dict[int, Model] = {}
        self._inputs: dict[int, Array] = {}
        self._handles = 0
        self._operations: dict[str, Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]] = {
            "describe": self._describe,
            "load": self._load,
            "round": self._round,
            "infer": self._infer,
            "unload": self._unload,
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
                line.send({"v": wire.VERSION, "id": request.get("id"), "ok": True}, _SEND_S)
                return
            reply, data = self._answer(request, blob)
            line.send(reply, _SEND_S, data)

    def _answer(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        identity = request.get("id")
        try:
            if request.get("v") != wire.VERSION:
                raise Refused("this agent speaks version %d, not %r" % (wire.VERSION, request.get("v")))
            operation = self._operations.get(_field(request, "op", str))
            if operation is None:
                raise Refused("no operation is called %r" % request["op"])
            fields, data = operation(request, blob)
        except Refused as error:
            return _failure(identity, "refused", str(error)), b""
        except EngineError as error:
            return _failure(identity, "engine", str(error)), b""
        except Exception as error:
            return _failure(identity, "internal", "%s: %s" % (type(error).__name__, error)), b""
        return dict(fields, v=wire.VERSION, id=identity, ok=True), data

    def _describe(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Say what the machine is, and of every engine asked about what it is here or why it is missing."""
        names = _field(request, "engines", list)
        if not all(type(name) is str for name in names) or len(names) > MAX_ENGINES:
            raise Refused("'engines' must be a list of at most %d names" % MAX_ENGINES)
        return {"host": host.describe(), "engines": [engines.describe(name) for name in names]}, b""

    def _load(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Load a file and run it once: the first inference is recorded apart, and says whether the output is finite."""
        import numpy as np

        if len(self._models) >= MAX_MODELS:
            raise Refused("%d networks are loaded already" % MAX_MODELS)
        path = self._inside(_field(request, "file", str))
        threads = _field(request, "threads", int)
        if not 1 <= threads <= 1024:
            raise Refused("threads must be 1 to 1024")
        precision = _field(request, "precision", str)
        engine = engines.create(_field(request, "engine", str))
        start = time.perf_counter_ns()
        model = engine.load(path, threads, precision)
        load_ns = time.perf_counter_ns() - start
        array = np.random.default_rng(0).standard_normal(model.input_shape, dtype=np.float32)
        start = time.perf_counter_ns()
        output = model.infer(array)
        first_ns = time.perf_counter_ns() - start
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
        }
        return reply, b""

    def _round(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Run a list of visits `[handle, untimed, timed]` in its order; nanoseconds of every timed run go back."""
        visits = [self._visit(visit) for visit in _field(request, "visits", list)]
        if sum(untimed + timed for _, untimed, timed in visits) > MAX_RUNS:
            raise Refused("a round is of at most %d runs" % MAX_RUNS)
        before = host.state()
        collecting = gc.isenabled()
        gc.disable()  # a collection inside a run would be ours, not the network's
        try:
            found = [
                self._models[handle].visit(self._inputs[handle], untimed, timed) for handle, untimed, timed in visits
            ]
        finally:
            if collecting:
                gc.enable()
        reply = {
            "samples": [samples.host for samples in found],
            "compute": [samples.compute for samples in found],
            "before": before,
            "after": host.state(),
        }
        return reply, b""

    def _visit(self, visit: object) -> tuple[int, int, int]:
        if not isinstance(visit, list) or len(visit) != 3 or not all(type(number) is int for number in visit):
            raise Refused("a visit is [handle, untimed, timed]")
        handle, untimed, timed = visit
        if untimed < 0 or timed < 1:
            raise Refused("a visit has at least one timed run")
        self._model(handle)
        return handle, untimed, timed

    def _infer(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Run a network on the float32 input in the blob; its output goes back the same way."""
        import numpy as np

        model = self._model(_field(request, "handle", int))
        size = 4
        for extent in model.input_shape:
            size *= extent
        if len(blob) != size:
            raise Refused("the input must be float32 of shape %s" % (list(model.input_shape),))
        array = np.frombuffer(blob, dtype="<f4").reshape(model.input_shape).astype(np.float32)
        output = np.ascontiguousarray(model.infer(array), dtype="<f4")
        return {"shape": list(output.shape)}, output.tobytes()

    def _unload(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        handle = _field(request, "handle", int)
        model = self._model(handle)
        del self._inputs[handle], self._models[handle]
        model.unload()
        return {}, b""

    def _model(self, handle: int) -> Model:
        if handle not in self._models:
            raise Refused("no network has the handle %d" % handle)
        return self._models[handle]

    def _inside(self, name: str) -> str:
        path = (self._work / name).resolve()
        if self._work not in path.parents:
            raise Refused("%r is outside the work folder" % name)
        if not path.is_file():
            raise Refused("the work folder has no file %r" % name)
        return str(path)


def main() -> None:
    """Serve on standard input and output until the line ends."""
    parser = argparse.ArgumentParser(description="Measures networks for a workstation, over JSON lines.")
    parser.add_argument("--work", required=True, help="the only folder files are read from and written to")
    parser.add_argument("--silence", type=float, default=600.0, help="seconds without a request after which to end")
    arguments = parser.parse_args()
    os.chdir(arguments.work)
    os.environ["TMPDIR"] = str(Path.cwd())
    answers = os.dup(1)
    os.dup2(2, 1)  # a runtime that prints must not print into the conversation
    try:
        Server(arguments.work).serve(wire.Line(0, answers), arguments.silence)
    except wire.WireError as error:
        sys.exit("the line failed: %s" % error)


def _failure(identity: object, kind: str, message: str) -> dict[str, Any]:
    return {"v": wire.VERSION, "id": identity, "ok": False, "kind": kind, "message": message[:2000]}


def _field(request: dict[str, Any], name: str, kind: type) -> Any:
    value = request.get(name)
    if type(value) is not kind:
        raise Refused("%r must be of type %s" % (name, kind.__name__))
    return value
