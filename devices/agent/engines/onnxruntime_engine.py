"""ONNX Runtime: on the processor, or on a GPU through its CUDA or TensorRT execution provider.

`host` latency here is `session.run(None, {input: array})` from Python: input in host memory, outputs as new arrays, and
on a GPU the copies to it and back inside.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

# since 1.29 the runtime reports usage to its maker from threads of its own: none of a measurement's business
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

from . import workers
from .contract import Engine, EngineError, Model, Samples, Settings, time_calls
from .cudart import device_name
from .libraries import versions_beneath
from .tensorrt_rules import BUILT_WITH, PRECISIONS, WORKSPACE_MIB, keys

if TYPE_CHECKING:
    from .cache import EngineCache
    from .contract import Array

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


def session_options(threads: int) -> Any:
    """Return the configuration every network runs under: one that states what the default leaves to the machine."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3  # errors only
    if threads > 1:
        # as by default, workers spin from one run to the next: waking them takes longer than a small network. After
        # the last run they spin for a millisecond or few (runtimes before 1.26 do not know the entry: for up to 25)
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.intra_op.spin_duration_us", "1000")
    return options


class OnnxRuntimeModel(Model):
    """One inference session."""

    def __init__(self, session: Any, several_threads: bool = False) -> None:
        """Take a session; `several_threads` tells whether workers share its layers."""
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
        self._several_threads = several_threads

    def visit(self, array: Array, untimed: int, timed: int) -> Samples:
        """Time `session.run` itself, without a Python frame of ours in between; raises `EngineError`."""
        call = functools.partial(self._session.run, None, {self._name: array})
        if self._several_threads:
            workers.wait_until_idle()
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
    """The onnxruntime package found on this device, on its processor."""

    def __init__(self) -> None:
        self._cores: list[int] = []

    def describe(self) -> dict[str, Any]:
        """Return the version and the session configuration in words."""
        return {
            "version": ort.__version__,
            "precisions": ["fp32", "int8"],
            "refused": {"fp16": "the processor's provider casts float16 to float32 and back"},
            "options": "inter-op 1, sequential, all optimisations; several threads: spinning, a core each",
        }

    def load(self, path: str, settings: Settings) -> Model:
        """Create a session for the file, its threads on cores of their own; raises `EngineError`."""
        options, several = session_options(settings.threads), settings.threads > 1
        if several:
            self._pin(options, settings.threads)
        return OnnxRuntimeModel(_session(path, options, "CPUExecutionProvider", {}), several)

    def _pin(self, options: Any, threads: int) -> None:
        """Bind this thread to a core, once, and a session's workers to one each."""
        if not self._cores:
            self._cores = workers.cores_for(threads)
            if self._cores:
                os.sched_setaffinity(0, self._cores[:1])
        if self._cores:
            # the runtime counts logical cores from 1, and the calling thread is none of its workers
            by_worker = ";".join(str(core + 1) for core in self._cores[1:])
            options.add_session_config_entry("session.intra_op_thread_affinities", by_worker)


class CudaEngine(Engine):
    """The package's CUDA provider, which computes in the file's types, but for integers."""

    def __init__(self) -> None:
        self._version = _version_on("cuda")

    def describe(self) -> dict[str, Any]:
        """Return the version and the session configuration in words."""
        return {
            "version": self._version,
            "precisions": ["fp32", "fp16"],
            "refused": {"int8": "the CUDA provider computes quantised layers in float32"},
            "options": "CUDA provider alone, no fall-back to the processor, no TF32, copies to the GPU and back inside",
        }

    def load(self, path: str, settings: Settings) -> Model:
        """Create a session for the file; raises `EngineError` where any of it would run on the processor."""
        options = _gpu_session_options(settings.threads)
        return OnnxRuntimeModel(_session(path, options, "CUDAExecutionProvider", {"device_id": 0}))


class TensorRtProviderEngine(Engine):
    """The package's TensorRT provider, whose engines it keeps itself, in a folder of ours for each."""

    def __init__(self, cache: EngineCache) -> None:
        self._cache = cache
        self._device = device_name()
        self._version = _version_on("tensorrt")

    def describe(self) -> dict[str, Any]:
        """Return the version and the session configuration in words."""
        return {
            "version": self._version,
            "precisions": list(PRECISIONS),
            "options": "TensorRT provider alone, no fall-back to the processor, built here (%s), copies to the GPU and "
            "back inside" % BUILT_WITH,
            "builds": True,
        }

    def load(self, path: str, settings: Settings) -> Model:
        """Create a session for the file; raises `EngineError` where any of it would run on the processor."""
        runtime = {"engine": "onnxruntime-tensorrt", "version": self._version, "gpu": self._device}
        key, _ = keys(self._cache, runtime, path, settings)
        provider_options = {
            "device_id": 0,
            "trt_max_workspace_size": WORKSPACE_MIB << 20,
            "trt_fp16_enable": settings.precision == "fp16",
            "trt_int8_enable": settings.precision == "int8",
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": str(self._cache.subfolder(key)),
            "trt_timing_cache_enable": True,
        }
        options = _gpu_session_options(settings.threads)
        return OnnxRuntimeModel(_session(path, options, "TensorrtExecutionProvider", provider_options))


def create(variant: str, cache: EngineCache) -> Engine:
    """Return the engine for one of `PROVIDERS`; raises `EngineError` where this package was built without it."""
    if PROVIDERS[variant] not in ort.get_available_providers():
        found = ", ".join(ort.get_available_providers())
        raise EngineError("this build of onnxruntime has no %s, only %s" % (PROVIDERS[variant], found))
    if variant == "cpu":
        return OnnxRuntimeEngine()
    os.environ["NVIDIA_TF32_OVERRIDE"] = "0"  # the one switch that CUDA's libraries and TensorRT all heed
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # CUDA's libraries, where they came as Python packages
    return CudaEngine() if variant == "cuda" else TensorRtProviderEngine(cache)


def _version_on(provider: str) -> str:
    """Return the package's version, and those of the libraries that a provider of it runs on."""
    binary = Path(ort.__file__).parent / "capi" / ("libonnxruntime_providers_%s.so" % provider)
    version: str = ort.__version__
    return version + versions_beneath(binary)


def _gpu_session_options(threads: int) -> Any:
    options = session_options(threads)
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def _session(path: str, options: Any, provider: str, provider_options: dict[str, Any]) -> Any:
    """Return a session on `provider`; raises `EngineError` where the runtime would take another in silence."""
    try:
        session = ort.InferenceSession(path, options, providers=[(provider, provider_options)])
    except Exception as error:  # the runtime has no common base class for its errors
        raise EngineError("%s could not take the network: %s" % (provider, _first_line(error))) from error
    session.disable_fallback()
    if session.get_providers()[0] != provider:
        raise EngineError(
            "onnxruntime could not start its %s and took %s instead; its messages on the device say why"
            % (provider, session.get_providers()[0])
        )
    return session


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__
