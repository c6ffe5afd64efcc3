"""TensorRT through its Python binding: one path for versions 8.5 to 11, which differ in what can be looked up.

`host` latency here is from before the copy in to after the copy back, from and to pinned memory, on one stream that the
caller waits for; `compute` is what events around the enqueue say. Networks are built on the device and kept.
"""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorrt as trt

from .cache import replace_file
from .contract import Engine, EngineError, Model, Samples, Settings, time_with_events
from .cudart import first_device
from .tensorrt_rules import BUILT_WITH, PRECISIONS, WORKSPACE_MIB, keys, version_numbers

if TYPE_CHECKING:
    from .cache import EngineCache
    from .contract import Array
    from .cudart import Cuda

#: The builder's flag that a file's types need, and what tells whether the GPU is made for them; gone in TensorRT 11.
_FLAGS = {"fp16": ("FP16", "platform_has_fast_fp16"), "int8": ("INT8", "platform_has_fast_int8")}


class _Logger(trt.ILogger):  # type: ignore[misc]
    """Remembers what TensorRT complains of."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.complaints: list[str] = []

    def log(self, severity: Any, message: str) -> None:
        """Keep an error; called by TensorRT."""
        if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
            self.complaints.append(" ".join(message.split()))

    def words(self) -> str:
        """Return the last complaints, in one clause."""
        return "; ".join(self.complaints[-3:])[-1500:] or "TensorRT gives no reason"


class TensorRtModel(Model):
    """An engine with its context, buffers, stream and events."""

    def __init__(self, engine: Any, cuda: Cuda, logger: _Logger) -> None:
        self._engine, self._cuda, self._logger = engine, cuda, logger
        source, target = _only(engine, "INPUT"), _only(engine, "OUTPUT")
        self.input_shape, output_shape = _shape(engine, source), _shape(engine, target)
        self._context = engine.create_execution_context()
        if self._context is None:
            raise EngineError("the engine cannot be made ready to run: %s" % logger.words())
        with contextlib.ExitStack() as held:
            stream = held.enter_context(cuda.stream())
            self._start, self._end = held.enter_context(cuda.event()), held.enter_context(cuda.event())
            self._record_start, self._record_end = (cuda.recorder(e, stream) for e in (self._start, self._end))
            sizes = [4 * int(np.prod(shape)) for shape in (self.input_shape, output_shape)]
            device = [held.enter_context(cuda.memory(size)) for size in sizes]
            pinned = [held.enter_context(cuda.pinned_memory(size)) for size in sizes]
            for name, address in ((source, device[0]), (target, device[1])):
                if not self._context.set_tensor_address(name, address):
                    raise EngineError("the tensor %r cannot be given its memory: %s" % (name, logger.words()))
            self._copy_in = cuda.copier_in(device[0], pinned[0], sizes[0], stream)
            self._copy_out = cuda.copier_out(pinned[1], device[1], sizes[1], stream)
            self._synchronise = cuda.synchroniser(stream)
            self._stream = stream
            self._input = _array(pinned[0], self.input_shape)
            self._output = _array(pinned[1], output_shape)
            self._held = held.pop_all()

    def visit(self, array: Array, untimed: int, timed: int) -> Samples:
        """Time runs from pinned memory to pinned memory; raises `EngineError`."""
        np.copyto(self._input, array)
        return time_with_events(self._run, self._elapsed_ns, untimed, timed)

    def infer(self, array: Array) -> Array:
        """Return the output; raises `EngineError`."""
        np.copyto(self._input, array)
        self._run()
        return self._output.copy()

    def unload(self) -> None:
        """Give everything back, the context before its engine and before the memory it uses."""
        del self._context, self._engine, self._input, self._output
        self._held.close()

    def _run(self) -> None:
        self._copy_in()
        self._record_start()
        if not self._context.execute_async_v3(self._stream):
            raise EngineError("the engine could not be run: %s" % self._logger.words())
        self._record_end()
        self._copy_out()
        self._synchronise()

    def _elapsed_ns(self) -> int:
        return self._cuda.elapsed_ns(self._start, self._end)


class TensorRtEngine(Engine):
    """The tensorrt package found on this device."""

    def __init__(self, cache: EngineCache) -> None:
        version_numbers(trt.__version__)
        self._cuda = first_device()
        self._cuda.activate()
        self._cache = cache
        self._logger = _Logger()
        self._runtime = self._make(trt.Runtime)

    def describe(self) -> dict[str, Any]:
        """Return the version and the configuration in words."""
        return {
            "version": trt.__version__,
            "precisions": list(PRECISIONS),
            "options": "built here (%s) with a timing cache, copies from and to pinned memory inside, one stream, "
            "no CUDA graph, waiting by spinning" % BUILT_WITH,
            "builds": True,
        }

    def load(self, path: str, settings: Settings) -> Model:
        """Take the kept engine of the file, or build one; raises `EngineError` with TensorRT's own words."""
        runtime = {"engine": "tensorrt", "version": trt.__version__, "gpu": self._cuda.device}
        key, timings = keys(self._cache, runtime, path, settings)
        kept = self._cache.find(key)
        engine = self._deserialise(kept) if kept else None
        if engine is None:
            engine = self._deserialise(
                self._cache.keep(key, lambda made: self._build(Path(path), settings.precision, timings, made))
            )
        if engine is None:
            raise EngineError("the engine that was just built cannot be read: %s" % self._logger.words())
        return TensorRtModel(engine, self._cuda, self._logger)

    def _make(self, kind: Any) -> Any:
        """Return a new object of TensorRT's; raises `EngineError` where it makes none."""
        self._logger.complaints.clear()
        try:
            return kind(self._logger)
        except TypeError as error:  # how the binding says so
            raise EngineError("TensorRT cannot start here: %s" % self._logger.words()) from error

    def _deserialise(self, plan: Path) -> Any:
        self._logger.complaints.clear()
        return self._runtime.deserialize_cuda_engine(plan.read_bytes())

    def _build(self, path: Path, precision: str, timings: Path, made: Path) -> None:
        builder = self._make(trt.Builder)
        explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)  # the only way, since TensorRT 10
        network = builder.create_network(0 if explicit is None else 1 << int(explicit))
        parser = trt.OnnxParser(network, self._logger)
        if not parser.parse(path.read_bytes()):
            reasons = [str(parser.get_error(index)) for index in range(parser.num_errors)]
            raise EngineError("TensorRT cannot read the network: %s" % ("; ".join(reasons) or self._logger.words()))
        config = self._configure(builder, precision)
        _use_timings(config, timings)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise EngineError("TensorRT cannot build the network: %s" % self._logger.words())
        made.write_bytes(plan)
        replace_file(timings, bytes(config.get_timing_cache().serialize()))

    def _configure(self, builder: Any, precision: str) -> Any:
        config = builder.create_builder_config()
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_MIB << 20)
        config.clear_flag(trt.BuilderFlag.TF32)  # on by default, and no fp32
        if precision in _FLAGS:
            flag, platform = _FLAGS[precision]
            if not getattr(builder, platform, True):
                raise EngineError("the GPU (%s) is not made for %s" % (self._cuda.device, precision))
            if hasattr(trt.BuilderFlag, flag):
                config.set_flag(getattr(trt.BuilderFlag, flag))
        return config


def create(variant: str, cache: EngineCache) -> Engine:
    """Return the engine of this module; raises `EngineError` where it cannot be used."""
    return TensorRtEngine(cache)


def _use_timings(config: Any, timings: Path) -> None:
    """Let the build start from what earlier ones have timed, or from nothing where that cannot be read any more."""
    kept = timings.read_bytes() if timings.exists() else b""
    for content in (kept, b""):
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, False):
            return
    raise EngineError("TensorRT takes no timing cache")


def _only(engine: Any, mode: str) -> str:
    """Return the name of the one tensor that is INPUT or OUTPUT; raises `EngineError` where it is another number."""
    wanted = getattr(trt.TensorIOMode, mode)
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    found = [name for name in names if engine.get_tensor_mode(name) == wanted]
    if len(found) != 1:
        raise EngineError("a network must have one %s, not %d" % (mode.lower(), len(found)))
    if engine.get_tensor_dtype(found[0]) != trt.DataType.FLOAT:
        raise EngineError(
            "the network's %s must be float32, not %s" % (mode.lower(), engine.get_tensor_dtype(found[0]))
        )
    return str(found[0])


def _shape(engine: Any, name: str) -> tuple[int, ...]:
    shape = tuple(int(size) for size in engine.get_tensor_shape(name))
    if not all(size > 0 for size in shape):
        raise EngineError("the shape %s of the tensor %r is not fixed" % (list(shape), name))
    return shape


def _array(address: int, shape: tuple[int, ...]) -> Array:
    """Return the float32 array that lies in pinned memory."""
    array: Array = np.ctypeslib.as_array((ctypes.c_float * int(np.prod(shape))).from_address(address)).reshape(shape)
    return array
