"""The check that an exported model is the subnet it claims to be."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.bank import Architecture, ModelBank, Statistics, arch_id

#: Largest accepted difference of any logit, as a share of the largest logit's magnitude. PyTorch's own float32 logits
#: are up to 7e-5 away from float64's (ResNet-50 with random weights, whose batch-norms magnify rounding the most; 1e-6
#: for the small ResNet), ONNX Runtime's as much; this leaves a factor of ten. Statistics of a wrong subnet, a
#: weight of a wrong layer or a wrong wire show as 1e-2 and more.
RELATIVE_TOLERANCE = 1e-3

#: Images in one forward pass of the bank.
BATCH = 64


class ExportMismatch(RuntimeError):
    """An exported model whose outputs are not the bank's; the message says by how much in one sentence."""


class VerifiedExport(NamedTuple):
    """How well an exported model reproduces the bank."""

    max_abs_error: float
    """Largest difference of any logit."""
    relative_error: float
    """`max_abs_error` over the largest magnitude of the bank's logits."""
    agreement: float
    """Share of the images with the same top-1 class."""


@torch.no_grad()
def verify(
    model: bytes | Path, bank: ModelBank, arch: Architecture, statistics: Statistics, images: Tensor
) -> VerifiedExport:
    """Run an exported fp32 subnet in ONNX Runtime on `images` [N, C, H, W] and compare its logits with the bank's.

    Raises ExportMismatch beyond `RELATIVE_TOLERANCE`, or where either side is not finite.
    """
    if not len(images):
        raise ValueError("an export cannot be verified on no images")
    expected = _bank_logits(bank, arch, statistics, images)
    return _compared(model, expected, images, f"subnet {arch_id(bank.spec.model, arch)}", "bank")


@torch.no_grad()
def verify_module(model: bytes | Path, module: nn.Module, images: Tensor, name: str) -> VerifiedExport:
    """Do the same for an exported fp32 network, called `name`, and the module that it was exported from, on the CPU."""
    expected = torch.cat([module(part) for part in torch.split(images, BATCH)]).numpy()
    return _compared(model, expected, images, f"network {name}", "original")


def _compared(
    model: bytes | Path, expected: NDArray[np.float32], images: Tensor, name: str, original: str
) -> VerifiedExport:
    found = engine_logits(model, images)
    if not (np.isfinite(found).all() and np.isfinite(expected).all()):
        raise ExportMismatch(f"{name} gives logits that are not finite")
    error, scale = float(np.abs(found - expected).max()), float(np.abs(expected).max())
    if error > RELATIVE_TOLERANCE * scale:
        raise ExportMismatch(
            f"the exported {name} differs from the {original} by {error:.3g} where logits reach {scale:.3g}: "
            f"more than {RELATIVE_TOLERANCE:g} of them"
        )
    agreement = float((found.argmax(1) == expected.argmax(1)).mean())
    return VerifiedExport(error, error / scale if scale else 0.0, agreement)


def engine_logits(model: bytes | Path, images: Tensor) -> NDArray[np.float32]:
    """Return the logits [N, K] that ONNX Runtime computes on the CPU, in batches of the graph's own size."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    source = model if isinstance(model, bytes) else str(model)
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    logits = []
    for part in torch.split(images, entry.shape[0]):
        batch = np.zeros(entry.shape, np.float32)
        batch[: len(part)] = part.cpu().numpy()
        logits.append(session.run(None, {entry.name: batch})[0][: len(part)])
    return np.concatenate(logits)


def _bank_logits(bank: ModelBank, arch: Architecture, statistics: Statistics, images: Tensor) -> NDArray[np.float32]:
    """Return the bank's logits [N, K], computed on the CPU because accelerators may round convolutions to TF32."""
    if bank.heads.adapted.weight.device.type != "cpu":
        bank = copy.deepcopy(bank).cpu()
    on_cpu = {name: (mean.cpu(), variance.cpu()) for name, (mean, variance) in statistics.items()}
    logits = [bank.logits(part.cpu(), arch, on_cpu) for part in torch.split(images, BATCH)]
    return np.asarray(torch.cat(logits).numpy())
