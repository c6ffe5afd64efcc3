"""TensorRT's Python binding: of what is used, only the attributes that the version in question has."""

from __future__ import annotations

import ctypes
import enum
import re
from typing import Any

import numpy as np

from .plan import BuildError, Plan, PlanError, build, fault, halved, parse, quantised


class ILogger:
    """The base of an application's logger."""

    class Severity(enum.IntEnum):
        """How bad it is."""

        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2
        INFO = 3
        VERBOSE = 4

    INTERNAL_ERROR = Severity.INTERNAL_ERROR
    ERROR = Severity.ERROR
    WARNING = Severity.WARNING
    INFO = Severity.INFO
    VERBOSE = Severity.VERBOSE

    def __init__(self) -> None:
        self.initialised = True

    def log(self, severity: Severity, message: str) -> None:
        """Be told something; to be overridden."""
        raise NotImplementedError("Tried to call pure virtual function 'ILogger::log'")


class TensorIOMode(enum.IntEnum):
    """What a tensor is to the network."""

    NONE = 0
    INPUT = 1
    OUTPUT = 2


class DataType(enum.IntEnum):
    """Types of tensors."""

    FLOAT = 0
    HALF = 1
    INT8 = 2
    INT32 = 3


class MemoryPoolType(enum.IntEnum):
    """What memory can be limited."""

    WORKSPACE = 0


class HostMemory(bytes):
    """A buffer of TensorRT's own."""


class TimingCache:
    """What a builder has timed."""

    _MAGIC = "timings of "

    def __init__(self, content: bytes, version: str) -> None:
        """Raises ValueError where the content is no timing cache."""
        self.version, self.layers = version, set[str]()
        if content:
            first, *layers = content.decode().split("\n")
            if not first.startswith(self._MAGIC):
                raise ValueError("no timing cache")
            self.version, self.layers = first.removeprefix(self._MAGIC), set(layers)

    def serialize(self) -> HostMemory:
        """Return its content."""
        return HostMemory("\n".join([self._MAGIC + self.version, *sorted(self.layers)]).encode())


def fill(module: dict[str, Any], version: str) -> None:
    """Make a module TensorRT's binding of that version."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    for kind in (ILogger, TensorIOMode, DataType, MemoryPoolType):
        module[kind.__name__] = kind
    module["__version__"] = version
    creation = {"EXPLICIT_BATCH": 0} if numbers < (11,) else {}
    if numbers >= (10,):
        creation["STRONGLY_TYPED"] = 1
    module["NetworkDefinitionCreationFlag"] = _enumeration("NetworkDefinitionCreationFlag", creation)
    flags = {"FP16": 0, "INT8": 1} if numbers < (11,) else {}
    flags.update(DEBUG=2, TF32=7)
    builder_flag = _enumeration("BuilderFlag", flags)
    module["BuilderFlag"] = builder_flag

    class Network:
        """A network definition, to be filled by the parser."""

        def __init__(self, explicit: bool) -> None:
            self.explicit = explicit
            self.model: Any = None

    class Config:
        """How to build."""

        def __init__(self) -> None:
            self.flags = {builder_flag.TF32}
            self.workspace = 0
            self.timings: TimingCache | None = None

        def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
            """Limit memory, in bytes."""
            self.workspace = pool_size

        def set_flag(self, flag: enum.IntEnum) -> None:
            """Switch something on."""
            self.flags.add(builder_flag(flag))

        def clear_flag(self, flag: enum.IntEnum) -> None:
            """Switch something off."""
            self.flags.discard(builder_flag(flag))

        def create_timing_cache(self, serialized_timing_cache: Any) -> TimingCache | None:
            """Return the cache with that content; None where it cannot be read."""
            try:
                return TimingCache(bytes(memoryview(serialized_timing_cache)), version)
            except ValueError:
                return None

        def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
            """Use the cache; refused where another version has made it."""
            if cache.version != version and not ignore_mismatch:
                return False
            self.timings = cache
            return True

        def get_timing_cache(self) -> TimingCache | None:
            """Return the cache in use."""
            return self.timings

    class Builder:
        """Makes networks into plans."""

        def __init__(self, logger: ILogger) -> None:
            self._logger = _checked(logger)

        def create_network(self, flags: int = 0) -> Network:
            """Return an empty network."""
            return Network(explicit=numbers >= (10,) or bool(flags & 1))

        def create_builder_config(self) -> Config:
            """Return the default configuration."""
            return Config()

        def build_serialized_network(self, network: Network, config: Config) -> HostMemory | None:
            """Return the plan; None, having said why, where there cannot be one."""
            typed = numbers >= (11,)  # whatever the network's own types say is what is built
            recipe = {
                "version": version,
                "fp16": any(flag.name == "FP16" for flag in config.flags) or (typed and halved(network.model)),
                "int8": any(flag.name == "INT8" for flag in config.flags) or (typed and quantised(network.model)),
                "tf32": builder_flag.TF32 in config.flags,
                "workspace": config.workspace,
            }
            try:
                return HostMemory(build(network.model, recipe, config.timings.layers if config.timings else set()))
            except BuildError as error:
                self._logger.log(ILogger.ERROR, str(error))
                return None

    if numbers < (11,):
        Builder.platform_has_fast_fp16 = True  # type: ignore[attr-defined]
        Builder.platform_has_fast_int8 = True  # type: ignore[attr-defined]

    class OnnxParser:
        """Fills a network from an ONNX file."""

        def __init__(self, network: Network, logger: ILogger) -> None:
            self._network, self._logger = network, _checked(logger)
            self._errors: list[str] = []

        @property
        def num_errors(self) -> int:
            """How many reasons there are for a refusal."""
            return len(self._errors)

        def get_error(self, index: int) -> str:
            """Return one of them."""
            return self._errors[index]

        def parse(self, model: bytes, path: str | None = None) -> bool:
            """Fill the network; False where the file cannot be read."""
            if not self._network.explicit:
                self._errors.append(
                    "In node -1 (importModel): INVALID_GRAPH: the network has no explicit batch dimension"
                )
                return False
            try:
                self._network.model = parse(model, numbers)
            except BuildError as error:
                self._errors.append(str(error))
                return False
            return True

    class ExecutionContext:
        """Runs an engine."""

        def __init__(self, plan: Plan, logger: ILogger) -> None:
            self._plan, self._logger = plan, logger
            self._addresses: dict[str, int] = {}
            self._runs = 0

        def set_tensor_address(self, name: str, memory: int) -> bool:
            """Say where a tensor lies."""
            if name not in self._plan.inputs and name not in self._plan.outputs:
                self._logger.log(ILogger.ERROR, f"3: given invalid tensor name: {name}")
                return False
            self._addresses[name] = memory
            return True

        def execute_async_v3(self, stream_handle: int) -> bool:
            """Run, after what is in the stream already."""
            cuda = _cuda()
            self._runs += 1
            if fault(self._plan, first=self._runs == 1) == "run fails":
                self._logger.log(
                    ILogger.ERROR, "1: [runner.cpp::executeMyelinGraph::682] Error Code 1: Myelin (failed)"
                )
                return False
            shapes = {**self._plan.inputs, **self._plan.outputs}
            for name, shape in shapes.items():
                address = self._addresses.get(name, 0)
                if not cuda.fakeIsDevice(ctypes.c_void_p(address), ctypes.c_size_t(4 * int(np.prod(shape)))):
                    self._logger.log(ILogger.ERROR, f"3: no device memory large enough for the tensor {name}")
                    return False
            if cuda.fakeReach(ctypes.c_void_p(stream_handle)):
                self._logger.log(ILogger.ERROR, "1: [context.cpp] Error Code 1: Cuda Runtime (invalid resource handle)")
                return False
            inputs = {name: _device_array(self._addresses[name], shape) for name, shape in self._plan.inputs.items()}
            for name, value in self._plan.run(inputs).items():
                _device_array(self._addresses[name], self._plan.outputs[name])[...] = value
            return True

    class CudaEngine:
        """A plan that was read."""

        def __init__(self, plan: Plan, logger: ILogger) -> None:
            self._plan, self._logger = plan, logger
            self._names = [*plan.inputs, *plan.outputs]

        @property
        def num_io_tensors(self) -> int:
            """How many inputs and outputs there are."""
            return len(self._names)

        def get_tensor_name(self, index: int) -> str:
            """Return the name of one of them."""
            return self._names[index]

        def get_tensor_mode(self, name: str) -> TensorIOMode:
            """Return which of both it is."""
            return TensorIOMode.INPUT if name in self._plan.inputs else TensorIOMode.OUTPUT

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            """Return its shape."""
            return {**self._plan.inputs, **self._plan.outputs}[name]

        def get_tensor_dtype(self, name: str) -> DataType:
            """Return its type."""
            return DataType.FLOAT

        def create_execution_context(self) -> ExecutionContext:
            """Return what runs it."""
            return ExecutionContext(self._plan, self._logger)

    class Runtime:
        """Reads plans."""

        def __init__(self, logger: ILogger) -> None:
            self._logger = _checked(logger)

        def deserialize_cuda_engine(self, serialized_engine: Any) -> CudaEngine | None:
            """Return the engine; None, having said why, where it cannot be read."""
            try:
                return CudaEngine(Plan(bytes(memoryview(serialized_engine)), version), self._logger)
            except PlanError as error:
                self._logger.log(ILogger.ERROR, str(error))
                return None

    for made in (Builder, OnnxParser, Runtime):
        module[made.__name__] = made


def _enumeration(name: str, members: dict[str, int]) -> Any:
    kind: Any = enum.IntEnum
    return kind(name, members)


def _checked(logger: ILogger) -> ILogger:
    if not isinstance(logger, ILogger) or not getattr(logger, "initialised", False):
        raise TypeError("__init__(): incompatible function arguments: a logger is needed, and its __init__ called")
    return logger


def _cuda() -> Any:
    """Return the CUDA runtime, which the application has loaded already."""
    return ctypes.CDLL("libcudart.so")


def _device_array(address: int, shape: tuple[int, ...]) -> Any:
    return np.ctypeslib.as_array((ctypes.c_float * int(np.prod(shape))).from_address(address)).reshape(shape)
