"""The one place where target labels meet a model: accuracy, for reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harness.bank import Architecture, ModelBank, Statistics, load_bank
from harness.clauses import complaint
from harness.data import TargetLabels
from harness.export import SubnetFileError, engine_logits, read_subnet
from harness.report import Accuracy, Row, accuracy
from harness.results.rows import with_accuracy
from harness.running import Run
from harness.space import decode

#: Images in one forward pass.
BATCH = 512


def with_target_accuracy(run: Run, rows: Sequence[Row], held_out: TargetLabels) -> list[Row]:
    """Return the rows of a run with accuracy on the held-out target images: the bank's, or that of an exported file."""
    bank, _ = load_bank(run.folder.bank)
    with run.folder.timed("report"), run.console.stage("target accuracy") as advance:
        return with_accuracy(
            rows,
            of_widths=lambda widths: target_accuracy(bank, decode(widths), run.domains.calibration, held_out),
            of_file=lambda name: deployed_accuracy(run.folder.subnets / name, held_out),
            progress=advance,
            baselines=run.baseline_names,
        )


def target_accuracy(bank: ModelBank, arch: Architecture, unlabelled: Tensor, held_out: TargetLabels) -> Accuracy:
    """Return a subnet's accuracy on held-out target images, batch-norm re-estimated on `unlabelled` [N, C, H, W].

    Pass source images as `unlabelled` to see the subnet without its adaptation of statistics.
    """
    return held_out_accuracy(bank, arch, bank.reestimate(unlabelled, arch), held_out)


def deployed_accuracy(file: Path, held_out: TargetLabels) -> Accuracy | None:
    """Return the accuracy of an exported subnet, run in ONNX Runtime on this machine; None where there is no file."""
    if not file.exists():
        return None
    read_subnet(file)
    try:
        named = [engine_logits(file, part).argmax(axis=1) for part in _parts(held_out)]
    except Exception as error:  # the runtime has no common base class for its errors
        raise SubnetFileError(f"{file} cannot be run: {complaint(error)}") from error
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
