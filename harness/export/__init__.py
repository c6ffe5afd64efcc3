"""Subnets to ONNX: one graph per bank, filled with each subnet's folded weights; the numerical check; topology keys."""

from harness.export.files import SubnetFileError, read_subnet, subnet_filename, write_subnet
from harness.export.precisions import PrecisionError, in_precision
from harness.export.single_layer import single_layer
from harness.export.template import IR_VERSION, OPSET, Template
from harness.export.topology import topology_key
from harness.export.traced import ExportError, traced
from harness.export.verification import (
    RELATIVE_TOLERANCE,
    ExportMismatch,
    VerifiedExport,
    engine_logits,
    verify,
    verify_module,
)

__all__ = [
    "IR_VERSION",
    "OPSET",
    "RELATIVE_TOLERANCE",
    "ExportError",
    "ExportMismatch",
    "PrecisionError",
    "SubnetFileError",
    "Template",
    "VerifiedExport",
    "engine_logits",
    "in_precision",
    "read_subnet",
    "single_layer",
    "subnet_filename",
    "topology_key",
    "traced",
    "verify",
    "verify_module",
    "write_subnet",
]
