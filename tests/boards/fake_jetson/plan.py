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
    wanted = json.loads(_FAULT.read_text()) if _FAULT.exists() else {"what": ""}
    if plan is None:
        return str(wanted["what"]) if not wanted.get("channels") else ""
    (shape,) = plan.outputs.values()
    others = wanted.get("channels") not in (None, shape[1])
    return "" if others or (first and wanted.get("later")) else str(wanted["what"])


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
    return model


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
    quantised = any(node.op_type in _QUANTISERS for node in model.graph.node)
    if recipe["int8"] and not quantised:
        raise BuildError(
            "4: [standardEngineBuilder.cpp::initCalibrationParams::1460] Error Code 4: Internal Error "
            "(Calibration failure occurred with no scaling factors detected.)"
        )
    if quantised and not recipe["int8"] and int(recipe["version"].split(".")[0]) < 11:
        raise BuildError(
            "4: [network.cpp::validate::2633] Error Code 4: Internal Error "
            "(Int8 precision has been set for a layer or layer output, but int8 is not configured in the builder)"
        )
    layers = {f"{node.op_type}:{index}:{recipe['fp16']}" for index, node in enumerate(model.graph.node)}
    made = Recipe(**recipe, timed=len(layers - timings))
    timings |= layers
    header = json.dumps(asdict(made)).encode()
    return _MAGIC + struct.pack("<I", len(header)) + header + bytes(model.SerializeToString())


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
        self._session = ort.InferenceSession(content[start + length :], options, providers=["CPUExecutionProvider"])
        self.inputs: dict[str, tuple[int, ...]] = {i.name: tuple(i.shape) for i in self._session.get_inputs()}
        self.outputs: dict[str, tuple[int, ...]] = {o.name: tuple(o.shape) for o in self._session.get_outputs()}
        if fault(self) == "wrong shape":
            self.outputs = {name: (*shape[:-1], shape[-1] + 1) for name, shape in self.outputs.items()}

    def run(self, inputs: dict[str, npt.NDArray[np.float32]]) -> dict[str, npt.NDArray[np.float32]]:
        """Return the outputs, with the precision that the plan was built for."""
        found = dict(zip(self.outputs, self._session.run(None, inputs), strict=True))
        what = fault(self)
        for name, value in found.items():
            if self.recipe.fp16:
                found[name] = value.astype(np.float16).astype(np.float32)
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
