"""The one place where target labels meet a model: accuracy, for reports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harness.bank import Architecture, ModelBank, Statistics
from harness.data import TargetLabels
from harness.export import engine_logits
from harness.report import Accuracy, accuracy

#: Images in one forward pass.
BATCH = 512


def target_accuracy(bank: ModelBank, arch: Architecture, unlabelled: Tensor, held_out: TargetLabels) -> Accuracy:
    """Return a subnet's accuracy on held-out target images, batch-norm re-estimated on `unlabelled` [N, C, H, W].

    Pass source images as `unlabelled` to see the subnet without its adaptation of statistics.
    """
    return held_out_accuracy(bank, arch, bank.reestimate(unlabelled, arch), held_out)


def deployed_accuracy(file: Path, held_out: TargetLabels) -> Accuracy | None:
    """Return the accuracy of an exported subnet, run in ONNX Runtime on this machine; None where there is no file."""
    if not file.exists():
        return None
    named = [engine_logits(file, part).argmax(axis=1) for part in _parts(held_out)]
    return accuracy(np.concatenate(named), held_out.labels.numpy())


@torch.no_grad()
def held_out_accuracy(bank: ModelBank, arch: Architecture, statistics: Statistics, held_out: TargetLabels) -> Accuracy:
    """Return a subnet's accuracy on held-out target images, with the batch-norm statistics given."""
    named = [bank.logits(part, arch, statistics).argmax(dim=1) for part in _parts(held_out)]
    return accuracy(torch.cat(named).numpy(), held_out.labels.numpy())


def _parts(held_out: TargetLabels) -> Iterator[Tensor]:
    """The held-out images in parts that one forward pass can hold; large sets are decoded part by part."""
    for start in range(0, len(held_out.labels), BATCH):
        yield held_out.images[start : start + BATCH]
