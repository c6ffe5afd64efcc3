"""What a target of several kinds of images does to a bank: accuracy and predicted classes of each kind.

Reads the banks of an ablation on CIFAR-10's mix of corruptions. Batch-norm statistics are those of all images together,
as a deployed network has them, and of each kind alone, as a network of its own for every kind would have them.

Usage: python benchmark.py ablation --tasks 'cifar10->cifar10:corrupted' --data-root DATA --run RUN ..., and then
python -m benchmarks.mixed_target RUN --data-root DATA --seeds N
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from harness.ablation.budgets import budget_architectures
from harness.ablation.tasks import load_task
from harness.bank import Architecture, ModelBank, load_bank
from harness.data.corruptions import CORRUPTIONS

TASK = "cifar10->cifar10:corrupted"
BUDGETS = ("1", "1/8", "1/64")
IMAGES = 4000  # in one pass


def main(
    run: Annotated[Path, typer.Argument(help="Folder of the ablation.", exists=True)],
    data_root: Annotated[Path, typer.Option(help="Folder of the data sets.")],
    methods: Annotated[str, typer.Option(help="Comma list of the ablation's.")] = "source-only,slimda",
    seeds: Annotated[int, typer.Option(help="How many.", min=1)] = 1,
) -> None:
    """Print a Markdown table: for every bank and budget, accuracy and the share of the class that is named most."""
    torch.set_num_threads(1)
    print("Statistics of the mix | of each kind: accuracy (share of the class named most; a tenth if all were right)\n")
    columns = ("method", "seed", "compute", "statistics", "all", *CORRUPTIONS)
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for seed in range(seeds):
        domains, labels = load_task(TASK, seed, data_root)
        chosen = torch.randperm(len(labels.labels), generator=torch.Generator().manual_seed(seed))[:IMAGES]
        images, truth, kinds = labels.images[chosen], labels.labels[chosen], chosen % len(CORRUPTIONS)
        for method in methods.split(","):
            folder = f"source-{domains.source_digest[:16]}" if method == "source-only" else TASK
            bank, _ = load_bank(run / "banks" / f"{folder}-seed{seed}-{method}")
            for budget, arch in budget_architectures(bank).items():
                if budget in BUDGETS:
                    named = {"mix": _named(bank, arch, images), "kind": _named_apart(bank, arch, images, kinds)}
                    for name, found in named.items():
                        cells = _cells(found, truth, kinds)
                        print(f"| {method} | {seed} | {budget} | {name} | {' | '.join(cells)} |", flush=True)


@torch.no_grad()
def _named(bank: ModelBank, arch: Architecture, images: Tensor) -> Tensor:
    return bank.logits(images, arch).argmax(dim=1)


def _named_apart(bank: ModelBank, arch: Architecture, images: Tensor, kinds: Tensor) -> Tensor:
    named = torch.empty(len(images), dtype=torch.long)
    for kind in range(len(CORRUPTIONS)):
        named[kinds == kind] = _named(bank, arch, images[kinds == kind])
    return named


def _cells(named: Tensor, truth: Tensor, kinds: Tensor) -> list[str]:
    cells = [f"{(named == truth).double().mean():.1%}"]
    for kind in range(len(CORRUPTIONS)):
        own, right = named[kinds == kind], truth[kinds == kind]
        most = torch.bincount(own).max() / len(own)
        cells.append(f"{(own == right).double().mean():.1%} ({most:.0%})")
    return cells


if __name__ == "__main__":
    typer.run(main)
