"""Adapt a model bank, and cut a subnet out of it that plain PyTorch runs.

python examples/adapt_and_cut.py runs/example
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from typing_extensions import Unpack

import harness
from harness.api import AdaptOptions


def main(run: Path, **options: Unpack[AdaptOptions]) -> None:
    """Adapt from rendered digits to handwritten ones, and cut the bank's half of every width."""
    bank = harness.adapt(run, **options)
    arch = bank.space.uniform(0.5)
    subnet = harness.cut(run, arch)
    logits = subnet(torch.zeros(1, *bank.spec.input_shape))
    print(
        f"widths {arch}: {sum(weight.numel() for weight in subnet.parameters())} parameters, {logits.shape[1]} classes"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), quick=True)
