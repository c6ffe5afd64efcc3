"""What the fakes build: the network itself, and what it was built with, as one file. ONNX Runtime runs it."""

from __future__ import annotations

import json
import os
import struct
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .meters import METERS

if TYPE_CHECKING:  # onnx and onnxruntime are slow to import, and not everything needs them
    import onnx

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_MAGIC = b"fake plan"
_FAULT = Path(__file__).parent.parent / "fault"
_QUANTISERS = {"QuantizeLinear", "DequantizeLinear"}


class BuildError(Exception):
    """The builder's complaint, as TensorRT words it."""


class PlanError(Exception):
    """The runtime's complaint, as TensorRT words it."""


@dataclass(frozen=True)
class Recipe:
    """What a plan says of its build."""

    version: str
    fp16: bool
    int8: bool
    tf32: bool
    workspace: int
    timed: int
    """Layers whose kernels had to be timed, because the timing cache did not know them."""


def fault(plan: Plan | None = None, *, first: bool = False) -> str:
    """Return what is to go wrong now: with this plan, at its first inference (after loading) or at a later one."""
    if not _FAULT.exists():
        return ""
    wanted = json.loads(_FAULT.read_text())
    channels = None
    if plan is not None:
        (shape,) = plan.outputs.values()
        channels = shape[1]
    spared = plan is not None and first and wanted["later"]
    return "" if spared or wanted["channels"] not in (None, channels) else str(wanted["what"])


def parse(content: bytes, version: tuple[int, ...]) -> onnx.ModelProto:
    """Return the network; raises `BuildError` where this version's parser would refuse it."""
    import onnx

    try:
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:
        raise BuildError("Failed to parse ONNX model from memory.") from error
    opset = max(entry.version for entry in model.opset_import if not entry.domain)
    if version < (8, 6) and opset > 17:
        raise BuildError(f"In node -1 (importModel): UNSUPPORTED_NODE: opset {opset} is newer than 17")
    _check_dequantisers(model, version)
    return model


def _check_dequantisers(model: onnx.ModelProto, version: tuple[int, ...]) -> None:
    """Refuse integers where they may not be: in biases, and until version 8 as weights.

    As told in the reports NVIDIA/TensorRT#3360, onnx-tensorrt#850, onnxruntime#11535 and #14229.
    """
    import onnx

    kinds = {weight.name: weight.data_type for weight in model.graph.initializer}
    for index, node in enumerate(model.graph.node):
        kind = kinds.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        what = ""
        if kind == onnx.TensorProto.INT32:
            what = f"{node.name}: only activation types allowed as input to this layer."
        elif kind == onnx.TensorProto.INT8 and version < (10,):
            what = f"{node.input[0]}: invalid weights type of Int8"
        if what:
            raise BuildError(f"In node {index} (parseGraph): INVALID_NODE: Invalid Node - {node.name} {what}")


def build(model: onnx.ModelProto, recipe: dict[str, Any], timings: set[str]) -> bytes:
    """Return the plan of a network, timing the layers that `timings` lacks; raises `BuildError`."""
    what = fault()
    if what == "build hangs":
        time.sleep(3600)
    if what == "build fails":
        node = model.graph.node[0].name or model.graph.node[0].op_type
        raise BuildError(
            "10: [optimizer.cpp::computeCosts::3728] Error Code 10: Internal Error "
            f"(Could not find any implementation for node {node}.)"
        )
    if recipe["int8"] and not quantised(model):
        raise BuildError(
            "4: [standardEngineBuilder.cpp::initCalibrationParams::1460] Error Code 4: Internal Error "
            "(Calibration failure occurred with no scaling factors detected.)"
        )
    if quantised(model) and not recipe["int8"]:
        raise BuildError(
            "4: [network.cpp::validate::2633] Error Code 4: Internal Error "
            "(Int8 precision has been set for a layer or layer output, but int8 is not configured in the builder)"
        )
    if halved(model) and not recipe["fp16"]:
        raise BuildError(
            "4: [network.cpp::validate::3015] Error Code 4: Internal Error "
            "(fp16 precision has been set for a layer or layer output, but fp16 is not configured in the builder)"
        )
    layers = {f"{node.op_type}:{index}:{recipe['fp16']}" for index, node in enumerate(model.graph.node)}
    made = Recipe(**recipe, timed=len(layers - timings))
    timings |= layers
    header = json.dumps(asdict(made)).encode()
    return _MAGIC + struct.pack("<I", len(header)) + header + bytes(model.SerializeToString())


def halved(model: onnx.ModelProto) -> bool:
    """Say whether the network computes in float16."""
    import onnx

    return any(weight.data_type == onnx.TensorProto.FLOAT16 for weight in model.graph.initializer)


def quantised(model: onnx.ModelProto) -> bool:
    """Say whether the network computes in integers."""
    return any(node.op_type in _QUANTISERS for node in model.graph.node)


class Plan:
    """A plan that can be run."""

    def __init__(self, content: bytes, version: str) -> None:
        """Raises `PlanError` where the plan is damaged or another version's."""
        import onnxruntime as ort

        if not content.startswith(_MAGIC):
            raise PlanError(
                "1: [runtime.cpp::parsePlan::314] Error Code 1: Serialization "
                "(Serialization assertion plan->header.magicTag == rt::kPLAN_MAGIC_TAG failed.)"
            )
        start = len(_MAGIC) + 4
        (length,) = struct.unpack("<I", content[len(_MAGIC) : start])
        self.recipe = Recipe(**json.loads(content[start : start + length]))
        if self.recipe.version != version:
            raise PlanError(
                "6: The engine plan file is not compatible with this version of TensorRT, expecting library version "
                f"{version} got {self.recipe.version}, please rebuild."
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.size = len(content) - start - length
        METERS.hold(self.size)
        self._session = ort.InferenceSession(content[start + length :], options, providers=["CPUExecutionProvider"])
        self.inputs: dict[str, tuple[int, ...]] = {i.name: tuple(i.shape) for i in self._session.get_inputs()}
        self.outputs: dict[str, tuple[int, ...]] = {o.name: tuple(o.shape) for o in self._session.get_outputs()}
        if fault(self) == "wrong shape":
            self.outputs = {name: (*shape[:-1], shape[-1] + 1) for name, shape in self.outputs.items()}

    def __del__(self) -> None:
        """Give the memory back, where there was a plan at all."""
        METERS.hold(-getattr(self, "size", 0))

    def run(self, inputs: dict[str, npt.NDArray[np.float32]]) -> dict[str, npt.NDArray[np.float32]]:
        """Return the outputs."""
        found = dict(zip(self.outputs, self._session.run(None, inputs), strict=True))
        METERS.ran()
        what = fault(self)
        for name, value in found.items():
            if what == "nan":
                found[name] = np.full_like(value, np.nan)
            if what == "wrong shape":
                found[name] = np.zeros(self.outputs[name], np.float32)
        return found


def recipe_of(plan: Path) -> Recipe:
    """Return what a plan file says of its build."""
    content = plan.read_bytes()
    start = len(_MAGIC) + 4
    (length,) = struct.unpack("<I", content[len(_MAGIC) : start])
    return Recipe(**json.loads(content[start : start + length]))
