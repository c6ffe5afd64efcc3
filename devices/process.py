"""One agent process, seen from the workstation."""

import math
import subprocess
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from devices.agent import wire
from devices.errors import (
    AgentLost,
    AgentSilent,
    ConnectionLost,
    DeviceError,
    EngineFailed,
    EngineTimedOut,
    RuntimeMissing,
    one_line,
)
from devices.profile import TimeOuts
from devices.replies import Description, LoadedModel, Momentary, OutputShape, RoundSamples, parse
from devices.telemetry import EnergyReadings, MemoryReadings

Images = npt.NDArray[np.float32]
_LIMIT_SHARE = 0.9  # of a time-out that the agent may use up, so that it can still say what went wrong
_MOST_SAID = 380  # characters of the agent's own reason that an error message quotes
_LAST_WORDS = 2000  # bytes of the agent's standard error that an error message quotes


class Visit(NamedTuple):
    """`untimed` and then `timed` runs of one network in a row."""

    handle: int
    untimed: int
    timed: int


class AgentProcess:
    """A fresh agent; a context manager that never leaves it behind."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", errors: IO[bytes], timeouts: TimeOuts, line_fault: Callable[[], str]
    ) -> None:
        """Speak with `process`; `line_fault` returns why the line to its machine is lost, or nothing."""
        if process.stdin is None or process.stdout is None:
            raise ValueError("the agent must be started with pipes")
        self._process = process
        self._errors = errors
        self._timeouts = timeouts
        self._line_fault = line_fault
        self._line = wire.Line(process.stdout.fileno(), process.stdin.fileno())
        self._requests = 0
        self._begun = False
        self._visit_s: dict[int, float] = {}

    @property
    def pid(self) -> int:
        """The process number of the agent (of the client that carries it, where it is remote)."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the agent has not ended yet."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the agent at once; whoever waits for its answer gets `AgentLost`."""
        if self.running:
            self._process.kill()

    def __enter__(self) -> "AgentProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(politely=error is None)

    def close(self, politely: bool = True) -> None:
        """End the agent: by asking, and by force where it does not go (or must go at once)."""
        try:
            if politely and self._process.poll() is None:
                self._line.send({"v": wire.VERSION, "id": 0, "op": "close"}, 1.0)
                self._process.wait(5.0)
        except (wire.WireError, subprocess.TimeoutExpired):
            pass
        finally:
            self._kill()
            self._errors.close()

    def describe(self, engines: Sequence[str]) -> Description:
        """Return what the machine is, and what each of `engines` is there."""
        found = parse(Description, self._request("describe", self._timeouts.run_s, engines=list(engines))[0])
        if [engine.engine for engine in found.engines] != list(engines):
            raise DeviceError("the agent described other engines than it was asked about")
        return found

    def load(
        self,
        file: str,
        *,
        engine: str,
        threads: int,
        precision: str = "fp32",
        build: int = 0,
        limit_s: float = math.inf,
    ) -> LoadedModel:
        """Load the network that `put` named `file`, and run it once, within `limit_s` and the profile's `load_s`.

        An engine that compiles networks does so once per number `build`, and then keeps what it made. Raises
        `EngineTimedOut` or `AgentSilent` where that takes longer.
        """
        timeout_s = min(self._timeouts.load_s, limit_s)
        reply, _ = self._request(
            "load",
            timeout_s,
            file=file,
            engine=engine,
            threads=threads,
            precision=precision,
            build=build,
            limit_s=_LIMIT_SHARE * timeout_s,
        )
        model = parse(LoadedModel, reply)
        self._visit_s[model.handle] = model.visit_s
        return model

    def run_round(
        self, visits: Sequence[Visit], *, expected_s: float = 0.0, end_with_reading: bool = False
    ) -> RoundSamples:
        """Execute `visits` in their order, in one request, so that no round trip is inside the timing.

        `expected_s` (how long the round should take) is added tenfold to the time-out. Sensors are read between visits
        when they are due, and after the last one at any rate where `end_with_reading` says so.
        """
        timeout_s = self._timeouts.run_s + 10 * expected_s
        timeout_s += sum(self._visit_s.get(visit.handle, 0.0) for visit in visits)
        reply, _ = self._request("round", timeout_s, visits=[list(visit) for visit in visits], reading=end_with_reading)
        result = parse(RoundSamples, reply)
        if [len(samples) for samples in result.samples] != [visit.timed for visit in visits]:
            raise DeviceError("the agent answered a round with the wrong number of samples")
        if len(result.compute) != len(visits) or any(
            len(compute) not in (0, visit.timed) for compute, visit in zip(result.compute, visits, strict=True)
        ):
            raise DeviceError("the agent answered a round with the wrong number of device times")
        if end_with_reading and not result.readings:
            raise DeviceError("the agent answered a round without the reading that was to end it")
        return result

    def infer(self, model: LoadedModel, images: Images) -> Images:
        """Return the network's outputs for `images` [N, ...], in batches of the network's own size.

        The last batch is filled up with zeros, whose outputs are dropped.
        """
        batch = model.input_shape[0]
        if images.ndim != len(model.input_shape) or images.shape[1:] != model.input_shape[1:] or not len(images):
            raise DeviceError(f"the network takes {list(model.input_shape)}, not {list(images.shape)}")
        if 4 * math.prod(model.input_shape) > wire.MAX_BLOB:
            raise DeviceError(f"a batch of shape {list(model.input_shape)} is more than can be sent to a device")
        outputs = []
        for start in range(0, len(images), batch):
            piece = np.zeros(model.input_shape, dtype="<f4")
            used = images[start : start + batch]
            piece[: len(used)] = used
            outputs.append(self._infer_batch(model, piece)[: len(used)])
        return np.concatenate(outputs)

    def read_telemetry(self) -> Momentary:
        """Return what the sensors say now."""
        return parse(Momentary, self._request("telemetry", self._timeouts.run_s)[0])

    def measure_memory(
        self, file: str, *, blank: str, engine: str, threads: int, precision: str, runs: int
    ) -> MemoryReadings:
        """Load the network `file` in this process, which must be fresh, run it, and return what memory that took.

        `blank` is a tiny network that wakes the runtime up before.
        """
        timeout_s = 2 * self._timeouts.load_s + runs * self._timeouts.run_s
        reply, _ = self._request(
            "memory",
            timeout_s,
            file=file,
            blank=blank,
            engine=engine,
            threads=threads,
            precision=precision,
            runs=runs,
        )
        return parse(MemoryReadings, reply)

    def measure_energy(self, model: LoadedModel, *, idle_s: float, warm_s: float, steady_s: float) -> EnergyReadings:
        """Return the power read while nothing runs for `idle_s`, and while the network runs for `steady_s`."""
        timeout_s = self._timeouts.run_s + 2 * (idle_s + warm_s + steady_s)
        reply, _ = self._request(
            "energy",
            timeout_s,
            handle=model.handle,
            idle_s=float(idle_s),
            warm_s=float(warm_s),
            steady_s=float(steady_s),
        )
        return parse(EnergyReadings, reply)

    def unload(self, model: LoadedModel) -> None:
        """Free the network."""
        self._request("unload", self._timeouts.run_s, handle=model.handle)

    def _infer_batch(self, model: LoadedModel, batch: Images) -> Images:
        timeout_s = self._timeouts.run_s + model.visit_s
        reply, blob = self._request("infer", timeout_s, batch.tobytes(), handle=model.handle)
        shape = parse(OutputShape, reply).shape
        if len(blob) != 4 * math.prod(shape) or shape != model.output_shape:
            raise DeviceError(f"the network answered with shape {list(shape)}, not {list(model.output_shape)}")
        return np.frombuffer(blob, dtype="<f4").reshape(shape).astype(np.float32)

    def _request(
        self, operation: str, timeout_s: float, blob: bytes = b"", **fields: Any
    ) -> tuple[dict[str, Any], bytes]:
        self._requests += 1
        timeout_s += 0.0 if self._begun else self._timeouts.start_s
        message = {"v": wire.VERSION, "id": self._requests, "op": operation, **fields}
        try:
            self._line.send(message, timeout_s, blob)
            reply, data = self._line.receive(timeout_s)
        except wire.Silent:
            raise self._lost(f"did not answer {operation!r} within {timeout_s:.4g} s", AgentSilent) from None
        except wire.Closed:
            raise self._lost(f"ended during {operation!r}") from None
        except wire.WireError as error:
            raise self._lost(f"cannot be understood: {error}") from None
        self._begun = True
        if reply.get("v") != wire.VERSION or reply.get("id") != self._requests:
            raise self._lost("answered out of turn")
        if reply.get("ok") is not True:
            told, handle = reply.get("message"), reply.get("handle")
            reason = (one_line(told, _MOST_SAID) if isinstance(told, str) else "") or "the agent gave no reason"
            failure = {"engine": EngineFailed, "time": EngineTimedOut}.get(str(reply.get("kind")))
            if failure is not None:
                raise failure(reason, handle if isinstance(handle, int) else None)
            if reply.get("kind") == "missing":
                raise RuntimeMissing(reason)
            raise DeviceError(reason)
        return reply, data

    def _lost(self, what: str, kind: type[AgentLost] = AgentLost) -> AgentLost:
        status = self._exit_status()
        fault = self._line_fault()
        self._kill()
        if fault:
            return ConnectionLost(f"{fault}: the agent {what}")
        self._errors.seek(0, 2)
        self._errors.seek(max(0, self._errors.tell() - _LAST_WORDS))
        words = " | ".join(self._errors.read().decode("utf-8", "replace").split("\n")[-6:]).strip(" |")
        return kind(f"the agent {what}{status}" + (f"; its last words: {words}" if words else ""))

    def _exit_status(self) -> str:
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return ""
        if 128 < code < 255:  # how a shell on a board reports a signal; ssh's own failure is 255
            code = 128 - code
        return f" (signal {-code})" if code < 0 else f" (exit status {code})"

    def _kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10.0)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
