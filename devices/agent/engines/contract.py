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
        """Return `version`, `options` (how networks are run, in words) and `precisions` that this build can run."""

    @abstractmethod
    def load(self, path: str, threads: int, precision: str) -> Model:
        """Load the network in file `path` to run on `threads` threads; raises `EngineError`.

        The file is ONNX: in float32 for fp32 and fp16, with quantisation nodes for int8.
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
