"""Whether `torch.compile` pays in training: forward and backward pass of one subnet, eager and compiled, in turns.

Half of a model batch is drawn at random, so only the largest and the smallest subnet come again and could be compiled
once; every other shape would be compiled for one step.

Usage: python -m benchmarks.compiling [--device cuda] [--model resnet50] [--size 224] [--batch 64] [--rounds 5]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch._inductor import config as inductor

from harness import environment  # noqa: F401 (before torch runs)
from harness.adaptation import Hardware, find_hardware
from harness.bank import Architecture, ModelBank, create_bank

#: Passes of one turn.
PASSES = 5

Features = Callable[[Tensor, Architecture], Tensor]


def seconds(features: Features, bank: ModelBank, images: Tensor, arch: Architecture, hardware: Hardware) -> float:
    """Return what a forward and a backward pass take, on the mean of some."""
    _finish(hardware)
    start = time.perf_counter()
    for _ in range(PASSES):
        bank.zero_grad(set_to_none=True)
        with torch.autocast(hardware.kind, torch.bfloat16, enabled=hardware.bf16):
            found = features(images, arch)
        found.float().square().mean().backward()  # type: ignore[no-untyped-call]
    _finish(hardware)
    return (time.perf_counter() - start) / PASSES


def _finish(hardware: Hardware) -> None:
    if hardware.kind == "cuda":
        torch.cuda.synchronize()


def main(
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    model: Annotated[str, typer.Option(help="Which bank.")] = "resnet8",
    size: Annotated[int, typer.Option(help="Image height and width.")] = 32,
    batch: Annotated[int, typer.Option(help="Images.")] = 64,
    rounds: Annotated[int, typer.Option(help="Turns of either way.")] = 5,
) -> None:
    """Print what compiling takes, what a pass takes either way, and their ratio."""
    hardware = find_hardware(device)  # type: ignore[arg-type]
    bank = create_bank(model, ("a", "b"), (3, size, size)).train()
    bank.to(hardware.device).to(memory_format=torch.channels_last)
    images = torch.randn(batch, 3, size, size, device=hardware.device).to(memory_format=torch.channels_last)
    inductor.force_disable_caches = True  # what is compiled here was not compiled before
    compiled: Features = torch.compile(bank.features, dynamic=False)
    threads = "" if hardware.kind == "cuda" else f", {torch.get_num_threads()} threads"
    title = f"{model}, {size} px, {batch} images, {hardware}{threads}, torch {torch.__version__}"
    table = Table("subnet", "compiling, s", "eager, ms", "compiled, ms", "eager over compiled", title=title)
    for name, arch in (("largest", bank.space.full), ("smallest", bank.space.smallest)):
        first = seconds(compiled, bank, images, arch, hardware)
        ways = (bank.features, compiled)
        turns = [[seconds(way, bank, images, arch, hardware) for way in ways] for _ in range(1 + rounds)][1:]
        eager, fast = np.median(turns, axis=0)
        ratio = np.median([one / other for one, other in turns])
        compiling = PASSES * (first - fast)
        table.add_row(name, f"{compiling:.0f}", f"{1e3 * eager:.1f}", f"{1e3 * fast:.1f}", f"{ratio:.2f}")
    Console(width=140).print(table)


if __name__ == "__main__":
    typer.run(main)
