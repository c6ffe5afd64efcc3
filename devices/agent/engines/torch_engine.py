"""PyTorch on a CUDA GPU with graph replay, for machines that have neither TensorRT nor ONNX Runtime's CUDA provider.

The network is the ONNX file's, node by node: the operators that subnets are exported with, and no others. `host`
latency here is from before the copy in to after the copy back, from and to pinned memory; `compute` is what events
around the replay of the graph say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import numpy as np
import torch
from torch.nn import functional

from .contract import Engine, EngineError, Model, Samples, Settings, time_with_events
from .libraries import in_words, release
from .onnx_file import FLOAT, FLOAT16, read

if TYPE_CHECKING:
    from .cache import EngineCache
    from .contract import Array
    from .onnx_file import Node, Tensor

#: By the number of a type in the file.
_TYPES = {FLOAT: torch.float32, FLOAT16: torch.float16}
_IN_MEMORY = {FLOAT: "<f4", FLOAT16: "<f2"}
_cuda: Any = torch.cuda  # only partly typed
_WARM_RUNS = 3  # before a graph is captured, so that its kernels are chosen and its memory is there


class TorchNetwork:
    """The network of an ONNX file as PyTorch calls, on any of PyTorch's devices."""

    def __init__(self, path: str, device: str) -> None:
        """Read the file and bring its weights to `device`; raises `EngineError` where it holds what is not known."""
        network = read(path)
        source, target = network.source(), network.outputs[0]
        constants = {node.outputs[0]: node.attributes["value"] for node in network.nodes if node.operator == "Constant"}
        self._nodes = [node for node in network.nodes if node.outputs[0] not in constants]
        for node in self._nodes:
            if node.operator not in _OPERATORS:
                raise EngineError("the torch engine has no operator %s (%s)" % (node.operator, node.name))
        self.input_shape = source.shape
        self._source, self._target = source.name, target.name
        tensors = {**network.weights, **constants}
        self._weights = {name: _weight(name, tensor).to(device) for name, tensor in tensors.items()}

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output for `x`, which is float32; raises `EngineError` for a file that contradicts itself."""
        values = dict(self._weights)
        values[self._source] = x
        try:
            for node in self._nodes:
                operands = [values[name] for name in node.inputs if name]
                values[node.outputs[0]] = _OPERATORS[node.operator](node, *operands)
            return values[self._target]
        except (KeyError, IndexError, TypeError, RuntimeError) as error:
            raise EngineError("the network cannot be run: %s" % error) from error


class TorchModel(Model):
    """A network captured in a CUDA graph, with the memory it copies from and to."""

    def __init__(self, network: TorchNetwork) -> None:
        self.input_shape = network.input_shape
        self._stream = _cuda.Stream()
        self._start, self._end = (_cuda.Event(enable_timing=True) for _ in range(2))
        self._input = torch.zeros(self.input_shape, device="cuda")
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            for _ in range(_WARM_RUNS):
                output = network(self._input)
            self._stream.synchronize()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, stream=self._stream):
                self._output = network(self._input)
        self._network = network  # the graph reads its weights
        self._pinned_input = torch.zeros(self.input_shape).pin_memory()
        self._pinned_output = torch.zeros(output.shape).pin_memory()

    def visit(self, array: Array, untimed: int, timed: int) -> Samples:
        """Time runs from pinned memory to pinned memory; raises `EngineError`."""
        self._pinned_input.numpy()[...] = array
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            return time_with_events(self._run, self._elapsed_ns, untimed, timed)

    def infer(self, array: Array) -> Array:
        """Return the output; raises `EngineError`."""
        self._pinned_input.numpy()[...] = array
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            self._run()
        output: Array = self._pinned_output.numpy().copy()
        return output

    def unload(self) -> None:
        """Let go of the graph and of all memory."""
        del self._graph, self._network, self._input, self._output, self._pinned_input, self._pinned_output
        torch.cuda.empty_cache()

    def _run(self) -> None:
        try:
            self._input.copy_(self._pinned_input, non_blocking=True)
            self._start.record()
            self._graph.replay()
            self._end.record()
            self._pinned_output.copy_(self._output, non_blocking=True)
            self._stream.synchronize()
        except RuntimeError as error:
            raise EngineError(_first_line(error)) from error

    def _elapsed_ns(self) -> int:
        milliseconds: float = self._start.elapsed_time(self._end)
        return round(milliseconds * 1e6)


class TorchEngine(Engine):
    """The torch package found on this device, on its first CUDA GPU."""

    def describe(self) -> dict[str, Any]:
        """Return the version and the configuration in words."""
        return {
            "version": torch.__version__ + in_words(_beneath()),
            "precisions": ["fp32", "fp16"],
            "refused": {"int8": "the torch engine runs no quantised networks"},
            "options": "CUDA graph replay, cuDNN chooses its kernels by timing them, no TF32, copies from and to "
            "pinned memory inside, one stream",
        }

    def load(self, path: str, settings: Settings) -> Model:
        """Capture the file's network; raises `EngineError`."""
        network = TorchNetwork(path, "cuda")
        try:
            return TorchModel(network)
        except RuntimeError as error:
            raise EngineError(_first_line(error)) from error


def create(variant: str, cache: EngineCache) -> Engine:
    """Return the engine of this module; raises `EngineError` where PyTorch has no CUDA GPU to run on."""
    if not torch.cuda.is_available():
        build = "was built for CUDA %s" % torch.version.cuda if torch.version.cuda else "was built without CUDA"
        raise EngineError("torch %s finds no CUDA GPU here (it %s)" % (torch.__version__, build))
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    return TorchEngine()


def _conv(node: Node, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    x, padding = _padded(node, x, 0.0)
    return functional.conv2d(
        x,
        weight,
        bias,
        node.attributes.get("strides", 1),
        padding,
        node.attributes.get("dilations", 1),
        node.attributes.get("group", 1),
    )


def _max_pool(node: Node, x: torch.Tensor) -> torch.Tensor:
    x, padding = _padded(node, x, float("-inf"))
    return functional.max_pool2d(
        x,
        node.attributes["kernel_shape"],
        node.attributes.get("strides", 1),
        padding,
        node.attributes.get("dilations", 1),
        bool(node.attributes.get("ceil_mode", 0)),
    )


def _padded(node: Node, x: torch.Tensor, value: float) -> tuple[torch.Tensor, list[int]]:
    """Return the input and the padding that is the same on both sides of an axis; any other is done here."""
    if node.attributes.get("auto_pad", "NOTSET") != "NOTSET":
        raise EngineError("%s (%s) pads by rule, not by number" % (node.operator, node.name))
    top, left, bottom, right = node.attributes.get("pads") or (0, 0, 0, 0)
    if (top, left) == (bottom, right):
        return x, [top, left]
    return functional.pad(x, (left, right, top, bottom), value=value), [0, 0]


def _gemm(node: Node, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
    a, b = (m.t() if node.attributes.get(key) else m for m, key in ((a, "transA"), (b, "transB")))
    alpha, beta = (node.attributes.get(name, 1.0) for name in ("alpha", "beta"))
    return alpha * (a @ b) if c is None else torch.addmm(c, a, b, alpha=alpha, beta=beta)


def _flatten(node: Node, x: torch.Tensor) -> torch.Tensor:
    return x.reshape(int(np.prod(x.shape[: node.attributes.get("axis", 1)])), -1)


def _cast(node: Node, x: torch.Tensor) -> torch.Tensor:
    kind = node.attributes.get("to")
    if kind not in _TYPES:
        raise EngineError("%s (%s) is to neither float32 nor float16" % (node.operator, node.name))
    return x.to(_TYPES[kind])


_OPERATORS: dict[str, Callable[..., torch.Tensor]] = {
    "Add": lambda _, a, b: a + b,
    "Cast": _cast,
    "Clip": lambda _, x, least, most: torch.clamp(x, least, most),
    "Conv": _conv,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _, x: x.mean((2, 3), keepdim=True),
    "MaxPool": _max_pool,
    "Relu": lambda _, x: torch.relu(x),
}


def _beneath() -> dict[str, str]:
    """Return the versions of the libraries that this build of PyTorch runs on, by name."""
    backends: Any = torch.backends  # only partly typed
    cudnn = backends.cudnn.version()
    found = {"CUDA": torch.version.cuda, "cuDNN": None if cudnn is None else release(cudnn)}
    return {name: version for name, version in found.items() if version}


def _weight(name: str, tensor: Tensor) -> torch.Tensor:
    try:
        if tensor.kind not in _IN_MEMORY:
            raise ValueError("it must be float32 or float16")
        return torch.from_numpy(np.frombuffer(tensor.data, dtype=_IN_MEMORY[tensor.kind]).reshape(tensor.shape).copy())
    except ValueError as error:
        raise EngineError("the weight %r cannot be read: %s" % (name, error)) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__
