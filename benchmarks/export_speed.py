"""How long a subnet's export takes: filling the bank's template, against `torch.onnx.export` of the same cut subnet.

All three ways take turns in one run and end with the model's bytes in memory; cutting is not charged to torch, and its
first export, which imports the exporter, is not timed. Every model of ours is verified against the bank.

Usage: python -m benchmarks.export_speed [--model resnet50] [--size 224] [--repeats 3] [--threads 1]
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from harness.bank import create_bank
from harness.costs import ComplexityCounter
from harness.export import OPSET, Template, verify

#: Full width, and the uniform widths nearest to 1/2, 1/8 and 1/64 of a ResNet-50's multiply-adds.
WIDTHS = (1.0, 0.702, 0.345, 0.114)
CLASSES = 31
#: Our exports per one of torch's, which take a thousand times as long.
OURS_PER_ROUND = 7


def torch_dynamo(module: nn.Module, image: Tensor) -> bytes:
    """Export by torch's present exporter (at its own opset: it cannot go down to ours)."""
    program = torch.onnx.export(module, (image,), dynamo=True, verbose=False)
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


def torch_legacy(module: nn.Module, image: Tensor) -> bytes:
    """Export by torch's former exporter, at our opset."""
    buffer = io.BytesIO()
    torch.onnx.export(module, (image,), buffer, dynamo=False, opset_version=OPSET)  # type: ignore[arg-type]
    return buffer.getvalue()


def time_in_turn(ways: Sequence[Callable[[], bytes]], times: Sequence[int], rounds: int) -> list[list[float]]:
    """Return the milliseconds of every call: each round calls each way as many times as `times` says."""
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, count, found in zip(ways, times, taken, strict=True):
            for _ in range(count):
                start = time.perf_counter()
                way()
                found.append(1e3 * (time.perf_counter() - start))
    return taken


def main(
    model: Annotated[str, typer.Option(help="Which bank.")] = "resnet50",
    size: Annotated[int, typer.Option(help="Image height and width.")] = 224,
    repeats: Annotated[int, typer.Option(help="Exports by torch of every subnet.", min=1)] = 3,
    threads: Annotated[int, typer.Option(help="Threads of PyTorch.", min=1)] = 1,
) -> None:
    """Print median milliseconds of an export, by width, and the ratios."""
    torch.set_num_threads(threads)
    warnings.simplefilter("ignore")
    bank = create_bank(model, [f"class {i}" for i in range(CLASSES)], (3, size, size))
    counter = ComplexityCounter(bank)
    images = torch.randn(2, *bank.spec.input_shape)
    start = time.perf_counter()
    template = Template.create(bank)
    made_ms = 1e3 * (time.perf_counter() - start)
    smallest = bank.space.smallest
    torch_dynamo(bank.cut(smallest, bank.neutral_statistics(smallest)), images[:1])
    table = Table(
        "width",
        "compute",
        "MB",
        "ours ms",
        "max ms",
        "torch.onnx.export ms",
        "ratio",
        "legacy ms",
        "ratio",
        title=f"Export of {model} subnets at {size} px, medians, {threads} thread(s); template {made_ms:.0f} ms",
    )
    for width in WIDTHS:
        arch = bank.space.uniform(width)
        normalisation = bank.reestimate(images, arch)
        ours = partial(template.subnet, bank, arch, normalisation)
        verify(ours(), bank, arch, normalisation, images)
        cut = bank.cut(arch, normalisation)
        ways = (ours, partial(torch_dynamo, cut, images[:1]), partial(torch_legacy, cut, images[:1]))
        own, dynamo, legacy = time_in_turn(ways, (OURS_PER_ROUND, 1, 1), repeats)
        table.add_row(
            f"{width:g}",
            f"1/{1 / counter.compute_fraction(arch):.3g}",
            f"{len(ours()) / 1e6:.1f}",
            f"{median(own):.1f}",
            f"{max(own):.1f}",
            f"{median(dynamo):.0f}",
            f"{median(dynamo) / median(own):.0f}x",
            f"{median(legacy):.0f}",
            f"{median(legacy) / median(own):.0f}x",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
