"""Any network to ONNX by torch's own exporter, for what has no template of ours: networks of other families."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping

import torch
from onnx import ModelProto, helper
from torch import nn

from harness.export.template import INPUT, IR_VERSION, OPSET, OUTPUT


class ExportError(RuntimeError):
    """A network that torch cannot export; the message says why in one sentence."""


def traced(
    module: nn.Module, input_shape: tuple[int, int, int], metadata: Mapping[str, str], batch_size: int = 1
) -> bytes:
    """Return a network in evaluation mode as a serialised ONNX model, batch-norm folded where a convolution is before.

    By the exporter that traces, since the present one cannot write this opset. It is not for several threads at once.
    Raises ExportError.
    """
    # It prints the whole graph of what it cannot export, cannot be told not to, and standard output is for `--json`.
    torch._C._jit_set_onnx_log_output_stream("stderr")
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says on every call that it is the former one
            torch.onnx.export(
                module,
                (torch.zeros(batch_size, *input_shape),),
                buffer,  # type: ignore[arg-type]
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
            )
    except Exception as error:  # it raises whatever it meets
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ExportError(f"the network cannot be exported to ONNX: {reason}") from error
    model = ModelProto.FromString(buffer.getvalue())
    model.ir_version = IR_VERSION
    helper.set_model_props(model, dict(metadata))
    return bytes(model.SerializeToString())
