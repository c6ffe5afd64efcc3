"""One agent process, seen from the workstation."""

import math
import subprocess
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from devices.agent import wire
from devices.errors import AgentLost, DeviceError, EngineFailed
from devices.profile import TimeOuts

Images = npt.NDArray[np.float32]
_Reply = TypeVar("_Reply", bound=BaseModel)
_LAST_WORDS = 2000  # bytes of the agent's standard error that an error message quotes


class HostDescription(BaseModel):
    """The machine; see `devices.agent.host.describe`."""

    model: str | None
    cpu: str
    machine: str
    system: str
    kernel: str
    python: str
    physical_cores: int | None
    logical_cores: int
    governor: str | None
    boot_id: str | None


class EngineDescription(BaseModel):
    """An engine on the machine; where it is `missing`, that says why."""

    engine: str
    missing: str | None
    version: str = ""
    options: str = ""
    precisions: tuple[str, ...] = ()


class Description(BaseModel):
    """What `describe` answers."""

    host: HostDescription
    engines: tuple[EngineDescription, ...]


class LoadedModel(BaseModel):
    """A network in the agent, after its first inference."""

    handle: int
    load_ns: int
    first_ns: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    finite: bool
    """Whether every output of the first inference was a finite number."""


class State(BaseModel):
    """The machine's momentary state; see `devices.agent.host.state`."""

    wall_s: float
    busy_s: float | None
    own_s: float
    clock_mhz: float | None


class RoundSamples(BaseModel):
    """What a round brought: nanoseconds of every timed run of every visit, in the order of the visits."""

    samples: tuple[tuple[int, ...], ...]
    compute: tuple[tuple[int, ...], ...]
    """The same runs by the device's own events; empty for networks whose engine has none."""
    before: State
    after: State


class _Output(BaseModel):
    shape: tuple[int, ...]


class Visit(NamedTuple):
    """`untimed` and then `timed` runs of one network in a row."""

    handle: int
    untimed: int
    timed: int


class AgentProcess:
    """A fresh agent; a context manager that never leaves it behind."""

    def __init__(self, process: "subprocess.Popen[bytes]", errors: IO[bytes], timeouts: TimeOuts) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the agent must be started with pipes")
        self._process = process
        self._errors = errors
        self._timeouts = timeouts
        self._line = wire.Line(process.stdout.fileno(), process.stdin.fileno())
        self._requests = 0
        self._begun = False

    @property
    def pid(self) -> int:
        """The process number of the agent (of the client that carries it, where it is remote)."""
        return self._process.pid

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
        return _parse(Description, self._request("describe", self._timeouts.run_s, engines=list(engines))[0])

    def load(self, file: str, *, engine: str, threads: int, precision: str = "fp32") -> LoadedModel:
        """Load the network that `put` named `file`, and run it once."""
        reply, _ = self._request(
            "load", self._timeouts.load_s, file=file, engine=engine, threads=threads, precision=precision
        )
        return _parse(LoadedModel, reply)

    def run_round(self, visits: Sequence[Visit], *, expected_s: float = 0.0) -> RoundSamples:
        """Execute `visits` in their order, in one request, so that no round trip is inside the timing.

        `expected_s` (how long the round should take) is added tenfold to the time-out.
        """
        timeout_s = self._timeouts.run_s + 10 * expected_s
        reply, _ = self._request("round", timeout_s, visits=[list(visit) for visit in visits])
        result = _parse(RoundSamples, reply)
        if [len(samples) for samples in result.samples] != [visit.timed for visit in visits]:
            raise DeviceError("the agent answered a round with the wrong number of samples")
        if len(result.compute) != len(visits) or any(
            len(compute) not in (0, visit.timed) for compute, visit in zip(result.compute, visits, strict=True)
        ):
            raise DeviceError("the agent answered a round with the wrong number of device times")
        return result

    def infer(self, model: LoadedModel, images: Images) -> Images:
        """Return the network's outputs for `images` [N, ...], in batches of the network's own size.

        The last batch is filled up with zeros, whose outputs are dropped.
        """
        batch = model.input_shape[0]
        if images.ndim != len(model.input_shape) or images.shape[1:] != model.input_shape[1:] or not len(images):
            raise DeviceError(f"the network takes {list(model.input_shape)}, not {list(images.shape)}")
        outputs = []
        for start in range(0, len(images), batch):
            piece = np.zeros(model.input_shape, dtype="<f4")
            used = images[start : start + batch]
            piece[: len(used)] = used
            outputs.append(self._infer_batch(model, piece)[: len(used)])
        return np.concatenate(outputs)

    def unload(self, model: LoadedModel) -> None:
        """Free the network."""
        self._request("unload", self._timeouts.run_s, handle=model.handle)

    def _infer_batch(self, model: LoadedModel, batch: Images) -> Images:
        reply, blob = self._request("infer", self._timeouts.run_s, batch.tobytes(), handle=model.handle)
        shape = _parse(_Output, reply).shape
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
            raise self._lost(f"did not answer {operation!r} within {timeout_s:g} s") from None
        except wire.Closed:
            raise self._lost(f"ended during {operation!r}") from None
        except wire.WireError as error:
            raise self._lost(f"cannot be understood: {error}") from None
        self._begun = True
        if reply.get("v") != wire.VERSION or reply.get("id") != self._requests:
            raise self._lost("answered out of turn")
        if reply.get("ok") is not True:
            kind = EngineFailed if reply.get("kind") == "engine" else DeviceError
            raise kind(str(reply.get("message", "the agent gave no reason")))
        return reply, data

    def _lost(self, what: str) -> AgentLost:
        status = self._exit_status()
        self._kill()
        self._errors.seek(0, 2)
        self._errors.seek(max(0, self._errors.tell() - _LAST_WORDS))
        words = " | ".join(self._errors.read().decode("utf-8", "replace").split("\n")[-6:]).strip(" |")
        return AgentLost(f"the agent {what}{status}" + (f"; its last words: {words}" if words else ""))

    def _exit_status(self) -> str:
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return ""
        return f" (signal {-code})" if code < 0 else f" (exit status {code})"

    def _kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10.0)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def _parse(kind: type[_Reply], reply: dict[str, Any]) -> _Reply:
    try:
        return kind.model_validate(reply)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise DeviceError(f"the agent's answer makes no sense: {key}: {first['msg']}") from error
