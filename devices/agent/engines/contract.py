"""What every engine offers: describe and load; what it loads: visit, infer and unload."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]


class EngineError(Exception):
    """The engine could not do what was asked; the message is its own."""

    kind = "engine"
    """What the workstation tells such failures apart by."""


class EngineMissing(EngineError):
    """The engine is unknown, or its runtime cannot be used here."""

    kind = "missing"


class EngineTimedOut(EngineError):
    """What the engine started was not done within its time, and has been stopped."""

    kind = "time"


class Settings(NamedTuple):
    """How a network is to be loaded."""

    threads: int
    precision: str
    build: int
    """Which of several builds of the same network; engines that build nothing ignore it."""
    limit_s: float
    """Time that a program started for it may take."""


class Samples(NamedTuple):
    """The timed runs of one visit, in nanoseconds, in their order."""

    host: list[int]
    """What a caller waits for, transfers included."""
    compute: list[int]
    """What the device's own events say of the same runs; empty where there are none."""


class Model(ABC):
    """A network ready to run, with one float32 input and one output, both of fixed shape."""

    input_shape: tuple[int, ...]

    @abstractmethod
    def visit(self, array: Array, untimed: int, timed: int) -> Samples:
        """Run `untimed` times and then `timed` times on `array`, each run ending with the result in the caller's hands.

        Nothing may be inside the timing that a caller of the runtime would not wait for. Raises `EngineError`.
        """

    @abstractmethod
    def infer(self, array: Array) -> Array:
        """Return the output for `array` of the input's shape; raises `EngineError`."""

    @abstractmethod
    def unload(self) -> None:
        """Free what the network holds."""


class Engine(ABC):
    """A runtime on this device."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return `version`, `options` (how networks are run, in words) and `precisions` that this runtime can run.

        Where they are of interest, also `refused` (why other precisions cannot be run, by precision), `builds` (whether
        networks are compiled here, so that two builds of one may differ) and `visit_s` (seconds that a visit may take
        beyond its runs).
        """

    @abstractmethod
    def load(self, path: str, settings: Settings) -> Model:
        """Load the network in file `path`; raises `EngineError`.

        The file is ONNX, its input and output in float32: for fp16 with weights in float16 and casts at both ends, for
        int8 with quantisation nodes. The precision is one of those that `describe` offers.
        """


def time_calls(call: Callable[[], Any], untimed: int, timed: int) -> list[int]:
    """Run `call` `untimed` times and then `timed` times; return the nanoseconds of each timed run."""
    clock = time.perf_counter_ns
    for _ in range(untimed):
        call()
    samples = []
    for _ in range(timed):
        start = clock()
        call()
        samples.append(clock() - start)
    return samples


def time_with_events(call: Callable[[], Any], elapsed_ns: Callable[[], int], untimed: int, timed: int) -> Samples:
    """Run `call` like `time_calls`; after each timed run, outside its timing, `elapsed_ns` tells the device's own time.

    Raises `EngineError` where the device reports a run that took no time.
    """
    clock = time.perf_counter_ns
    for _ in range(untimed):
        call()
    samples = Samples([], [])
    for _ in range(timed):
        start = clock()
        call()
        samples.host.append(clock() - start)
        samples.compute.append(elapsed_ns())
    if min(samples.compute) <= 0:
        raise EngineError("the device's events report a run that took no time")
    return samples
