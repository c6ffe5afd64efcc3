"""The same network in fewer bits: FP16 and INT8, as ONNX files.

FP16: weights and arithmetic in float16, input and output in float32. INT8: pairs of nodes that quantise and dequantise
(QDQ) around what is computed, weights per channel, both symmetric, activations calibrated on unlabelled target images.
The precision is in the file, so no engine chooses scales or layers of its own. Weights take 7 of the 8 bits: x86
processors without VNNI add two products of 8-bit numbers in 16 bits, which full weights overflow, and the same file
would give other answers there.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import Tensor

Precision = Literal["fp32", "fp16", "int8"]

#: Images that activations are calibrated on, at most.
CALIBRATED = 128

#: Both converters talk to the process's own warnings and logging, which are silenced for one thread at a time.
_SILENCED = Lock()

#: No version of TensorRT reads biases in integers, and none before 10 weights: it takes them in float32 and quantises
#: them itself by the scales in the file. ONNX Runtime computes in integers only where both are.
_FOR_TENSORRT = {"QuantizeBias": False, "AddQDQPairToWeight": True, "DedicatedQDQPair": True}


class PrecisionError(RuntimeError):
    """A network that cannot be brought to a precision; the message says why in one sentence."""


def in_precision(model: bytes, precision: Precision, calibration: Tensor, *, for_tensorrt: bool = False) -> bytes:
    """Return a float32 model in `precision`; `calibration` [N, C, H, W] are unlabelled images under evaluation.

    `for_tensorrt` says of int8 that TensorRT is to read it (`_FOR_TENSORRT`). Metadata is kept. Raises `PrecisionError`
    where the conversion fails.
    """
    if precision == "fp32":
        return model
    try:
        with _SILENCED, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            converted = _halved(model) if precision == "fp16" else _quantised(model, calibration, for_tensorrt)
    except Exception as error:  # the converters raise whatever their libraries do
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PrecisionError(f"the network cannot be brought to {precision}: {reason}") from error
    del converted.metadata_props[:]
    converted.metadata_props.extend(onnx.ModelProto.FromString(model).metadata_props)
    return bytes(converted.SerializeToString())


def _halved(model: bytes) -> onnx.ModelProto:
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    halved = OnnxModel(convert_float_to_float16(onnx.ModelProto.FromString(model), keep_io_types=True))
    halved.topological_sort()  # the casts were put at the end, where ONNX does not allow them
    sorted_model: onnx.ModelProto = halved.model
    return sorted_model


def _quantised(model: bytes, calibration: Tensor, for_tensorrt: bool) -> onnx.ModelProto:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "quantised.onnx")
        level = logging.getLogger().level
        logging.getLogger().setLevel(logging.ERROR)  # it recommends a pre-processing that folds what is folded here
        try:
            quantize_static(
                onnx.ModelProto.FromString(model),
                str(path),
                _Images(model, calibration),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={
                    "ActivationSymmetric": True,
                    "WeightSymmetric": True,
                    **(_FOR_TENSORRT if for_tensorrt else {}),
                },
            )
        finally:
            logging.getLogger().setLevel(level)
        return onnx.load(path)


class _Images:
    """Feeds calibration images, in batches of the network's own size; the last one is left out if it is not full."""

    def __init__(self, model: bytes, calibration: Tensor) -> None:
        entry = onnx.ModelProto.FromString(model).graph.input[0]
        self._name = entry.name
        batch = entry.type.tensor_type.shape.dim[0].dim_value
        images = calibration[: max(CALIBRATED, batch)].cpu().numpy().astype(np.float32)
        repeated = np.resize(images, (max(len(images), batch), *images.shape[1:]))
        self._batches: Iterator[NDArray[np.float32]] = iter(
            [repeated[i : i + batch] for i in range(0, len(repeated) - batch + 1, batch)]
        )

    def get_next(self) -> dict[str, Any] | None:
        """Return the next feed, or None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}
