"""What every engine offers: describe and load; what it loads: bind, infer and unload."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]


class EngineError(Exception):
    """The engine could not do what was asked; the message is its own."""


class Model(ABC):
    """A network ready to run, with one float32 input and one output, both of fixed shape."""

    input_shape: tuple[int, ...]

    @abstractmethod
    def bind(self, array: Array) -> Callable[[], Any]:
        """Return a call that runs once on `array` and comes back when the result is in the caller's hands.

        This call is what is timed as `host`: it must add nothing to what a caller of the runtime would wait for.
        """

    @abstractmethod
    def infer(self, array: Array) -> Array:
        """Return the output for `array` of the input's shape."""

    @abstractmethod
    def unload(self) -> None:
        """Free what the network holds."""


class Engine(ABC):
    """A runtime on this device."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return `engine`, `version` and whatever else tells this build apart."""

    @abstractmethod
    def load(self, path: str, threads: int) -> Model:
        """Load the network in file `path` to run on `threads` threads; raises `EngineError`."""
