"""ONNX Runtime on the processor.

`host` latency here is `session.run(None, {input: array})` from Python: input in host memory, outputs as new arrays.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import numpy as np

# since 1.29 the runtime reports usage to its maker from threads of its own: none of a measurement's business
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

from .contract import Engine, EngineError, Model, Samples, time_calls

if TYPE_CHECKING:
    from .contract import Array

PROVIDERS = ["CPUExecutionProvider"]


def session_options(threads: int) -> Any:
    """Return the configuration every network runs under: one that states what the default leaves to the machine."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3  # errors only
    if threads > 1:
        # worker threads spin while their own network runs, and stop when it ends: an idle network must not
        # take the cores of the one being timed
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


class OnnxRuntimeModel(Model):
    """One inference session."""

    def __init__(self, session: Any) -> None:
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise EngineError(
                "a network must have one input and one output, not %d and %d" % (len(inputs), len(outputs))
            )
        if inputs[0].type != "tensor(float)":
            raise EngineError("the network's input must be float32, not %s" % inputs[0].type)
        if not all(isinstance(size, int) and size > 0 for size in inputs[0].shape):
            raise EngineError("the network's input shape %s is not fixed" % inputs[0].shape)
        self.input_shape = tuple(inputs[0].shape)
        self._name = inputs[0].name
        self._session = session

    def visit(self, array: Array, untimed: int, timed: int) -> Samples:
        """Time `session.run` itself, without a Python frame of ours in between; raises `EngineError`."""
        call = functools.partial(self._session.run, None, {self._name: array})
        try:
            return Samples(time_calls(call, untimed, timed), [])
        except Exception as error:  # the runtime has no common base class for its errors
            raise EngineError(_first_line(error)) from error

    def infer(self, array: Array) -> Array:
        """Return the first output; raises `EngineError`."""
        try:
            return np.asarray(self._session.run(None, {self._name: array})[0], dtype=np.float32)
        except Exception as error:  # the runtime has no common base class for its errors
            raise EngineError(_first_line(error)) from error

    def unload(self) -> None:
        """Let go of the session, which ends its threads."""
        del self._session


class OnnxRuntimeEngine(Engine):
    """The onnxruntime package found on this device."""

    def describe(self) -> dict[str, Any]:
        """Return the version and the session configuration in words."""
        return {
            "version": ort.__version__,
            "precisions": ["fp32", "int8"],
            "options": "inter-op 1, sequential, all optimisations, spinning on, stopped when a run ends",
        }

    def load(self, path: str, threads: int, precision: str) -> Model:
        """Create a session for the file; raises `EngineError`."""
        try:
            session = ort.InferenceSession(path, session_options(threads), providers=PROVIDERS)
        except Exception as error:  # the runtime has no common base class for its errors
            raise EngineError(_first_line(error)) from error
        return OnnxRuntimeModel(session)


def create(variant: str) -> Engine:
    """Return the engine of this module."""
    return OnnxRuntimeEngine()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__
