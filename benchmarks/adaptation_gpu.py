"""Seconds of a SlimDA iteration: ours against a plain fp32 loop over the same losses, in turns, on the same subnets.

Beside them what plain full-width training of torchvision's network reaches in bfloat16 (float32 on processors), in
multiply-adds of the forward passes per second; peak memory on a GPU; and a profile of what takes our time.

Usage: python -m benchmarks.adaptation_gpu [--device cuda] [--model resnet50] [--size 224] [--batch 64] [--rounds 3]
       [--model-batch 4] [--iterations 5] [--profile FILE]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torchvision
import typer
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from harness import environment  # noqa: F401 (before torch runs)
from harness.adaptation import AdaptationSettings, Hardware, find_hardware, train
from harness.adaptation.batches import draw, model_batch
from harness.adaptation.objective import Batch, adaptation_losses, ramp
from harness.bank import ModelBank, create_bank
from harness.costs import ComplexityCounter
from harness.data import Domains, LabelledImages, Preprocessing, training_batches

#: (model, image size, images per domain) where they are not given.
DEFAULTS = {"cuda": ("resnet50", 224, 64), "cpu": ("resnet18", 64, 16)}
CLASSES = 31
#: Steps of every turn that are not counted: memory is laid out and kernels are chosen.
WARM = 2

Turn = Callable[[], list[float]]
Clock = Callable[[], float]


def noise(size: int, count: int) -> Domains:
    """Return domains of random images: what they show makes no difference to the time."""
    generator = torch.Generator().manual_seed(0)

    def images() -> torch.Tensor:
        return torch.randn(count, 3, size, size, generator=generator)

    labels = torch.arange(count) % CLASSES
    return Domains(
        name="noise",
        classes=tuple(f"class {i}" for i in range(CLASSES)),
        preprocessing=Preprocessing(size=(size, size), channels=3, mean=(0.0,) * 3, std=(1.0,) * 3),
        source=LabelledImages(images(), labels),
        source_check=LabelledImages(images()[:CLASSES], labels[:CLASSES]),
        target=images(),
        flip=True,
    )


def new_bank(model: str, size: int) -> ModelBank:
    """Return an untrained bank; every turn begins with the same."""
    return create_bank(model, [f"class {i}" for i in range(CLASSES)], (3, size, size))


def ours(
    bank: ModelBank, domains: Domains, settings: AdaptationSettings, hardware: Hardware, clock: Clock
) -> list[float]:
    """Return the seconds of every iteration of `train`, as it is shipped."""
    times = [clock()]
    capacity = ComplexityCounter(bank).macs
    train(
        bank,
        domains,
        settings,
        capacity=capacity,
        hardware=hardware,
        observe=lambda *_: times.append(clock()),
    )
    return np.diff(times).tolist()


def _batch(domains: Domains, size: int, rng: np.random.Generator, device: torch.device, *, target: bool) -> Batch:
    return Batch(*next(training_batches(domains, [draw(domains, size, rng, target=target)], device)))


def plain(
    bank: ModelBank, domains: Domains, settings: AdaptationSettings, device: torch.device, clock: Clock
) -> list[float]:
    """Return the seconds of every iteration of the loop that one would write first: fp32, one kernel per operation."""
    capacity = ComplexityCounter(bank).macs
    bank.train().to(device)
    optimiser = torch.optim.AdamW(bank.parameters(), lr=settings.learning_rate, foreach=False)
    times = [clock()]
    for index in range(settings.adaptation_iterations):
        rng = np.random.default_rng([settings.seed, 1, index])
        subnets = model_batch(bank, settings.model_batch, rng)
        batch = _batch(domains, settings.batch_size, rng, device, target=True)
        optimiser.zero_grad()
        weight = ramp(index / settings.adaptation_iterations)
        for loss in adaptation_losses(bank, subnets, batch, settings, weight, capacity):
            (loss / len(subnets)).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(bank.parameters(), settings.gradient_norm)
        optimiser.step()
        times.append(clock())
    return np.diff(times).tolist()


def full_width(model: str, domains: Domains, images: int, steps: int, hardware: Hardware, clock: Clock) -> list[float]:
    """Return the seconds of every step of plain supervised training of the full network on so many images at a time."""
    device = hardware.device
    network = torchvision.models.get_model(model, num_classes=CLASSES)
    network.to(device).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(network.parameters(), fused=device.type == "cuda" or None)
    times = [clock()]
    for index in range(steps):
        batch = _batch(domains, images, np.random.default_rng(index), device, target=False)
        with torch.autocast(hardware.kind, torch.bfloat16, enabled=hardware.bf16):
            logits = network(batch.source)
        optimiser.zero_grad()
        F.cross_entropy(logits.float(), batch.labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        times.append(clock())
    return np.diff(times).tolist()


def new_clock(device: torch.device, processor_time: bool) -> Clock:
    """Return what tells the time at which the device has done what it was given."""
    if device.type == "cpu":
        return time.process_time if processor_time else time.perf_counter

    def clock() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return clock


def forward_macs(bank: ModelBank, settings: AdaptationSettings, index: int) -> float:
    """Return the multiply-adds of the forward passes of one iteration, both domains."""
    counter = ComplexityCounter(bank)
    subnets = model_batch(bank, settings.model_batch, np.random.default_rng([settings.seed, 1, index]))
    return 2.0 * settings.batch_size * sum(map(counter.macs, subnets))


def take_turns(ways: dict[str, Turn], rounds: int, device: torch.device) -> tuple[dict[str, list[float]], list[str]]:
    """Return the counted seconds of every way, and the peak memory of each, "" where it is not known."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    peaks = dict.fromkeys(ways, 0)
    for _ in range(rounds):
        for name, turn in ways.items():
            if device.type == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats(device)
            taken[name] += turn()[WARM:]
            if device.type == "cuda":
                peaks[name] = max(peaks[name], torch.cuda.max_memory_allocated(device))
    return taken, [f"{peak / 1e9:.1f} GB" if peak else "" for peak in peaks.values()]


def what_takes_time(turn: Turn, device: torch.device) -> str:
    """Return a table of the operations that take most time in one turn."""
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    with profile(activities=kinds) as profiler:
        turn()
    return str(profiler.key_averages().table(sort_by=f"self_{device.type}_time_total", row_limit=20))


def main(
    device: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda",
    model: Annotated[str | None, typer.Option(help="Which bank (resnet50; on cpu resnet18).")] = None,
    size: Annotated[int | None, typer.Option(help="Image height and width (224; on cpu 64).")] = None,
    batch: Annotated[int | None, typer.Option(help="Images of each domain (64; on cpu 16).")] = None,
    subnets: Annotated[int, typer.Option("--model-batch", help="Subnets per iteration.")] = 4,
    rounds: Annotated[int, typer.Option(help="Turns of every way.")] = 3,
    iterations: Annotated[int, typer.Option(help="Counted iterations of a turn.")] = 5,
    processor_time: Annotated[bool, typer.Option(help="On cpu: count processor time, on a busy machine.")] = False,
    profile_file: Annotated[Path | None, typer.Option("--profile", help="Write the profile there.")] = None,
) -> None:
    """Print seconds per iteration of every way, their ratios, peak memory, and what takes our time."""
    hardware = find_hardware(device)  # type: ignore[arg-type]
    usual = DEFAULTS[hardware.kind]
    model, size, batch = model or usual[0], size or usual[1], batch or usual[2]
    steps = WARM + iterations
    settings = AdaptationSettings(
        source_iterations=0, adaptation_iterations=steps, batch_size=batch, model_batch=subnets, learning_rate=1e-4
    )
    domains, clock = noise(size, 4 * batch), new_clock(hardware.device, processor_time)
    ways: dict[str, Turn] = {
        "ours": lambda: ours(new_bank(model, size), domains, settings, hardware, clock),
        "plain fp32 loop": lambda: plain(new_bank(model, size), domains, settings, hardware.device, clock),
        "full width alone": lambda: full_width(model, domains, 2 * batch, steps, hardware, clock),
    }
    taken, peaks = take_turns(ways, rounds, hardware.device)
    fresh = new_bank(model, size)
    work = np.mean([forward_macs(fresh, settings, index) for index in range(WARM, steps)])
    full = 2.0 * batch * ComplexityCounter(fresh).macs(fresh.space.full)
    kind = torch.cuda.get_device_name() if hardware.kind == "cuda" else f"{torch.get_num_threads()} threads"
    precision = "bf16" if hardware.bf16 else "fp32"
    title = f"{model}, {size} px, {batch} + {batch} images, model batch {subnets}, {kind}, ours in {precision}"
    table = Table(
        "way",
        "processor s per iteration" if processor_time else "s per iteration",
        "slowest",
        "multiply-adds per s",
        "peak memory",
        title=title,
    )
    rates = {}
    for (name, times), peak in zip(taken.items(), peaks, strict=True):
        rates[name] = (full if name == "full width alone" else work) / np.median(times)
        table.add_row(name, f"{np.median(times):.4f}", f"{max(times):.4f}", f"{rates[name]:.3g}", peak)
    console = Console(width=160)
    console.print(table)
    ratios = [p / o for p, o in zip(taken["plain fp32 loop"], taken["ours"], strict=True)]
    low, middle, high = np.quantile(ratios, (0.1, 0.5, 0.9))
    console.print(f"plain over ours, iteration by iteration: {middle:.2f} (10% to 90%: {low:.2f} to {high:.2f})")
    console.print(f"ours reaches {rates['ours'] / rates['full width alone']:.0%} of the rate of the full width alone")
    if hardware.kind == "cuda":
        tf32 = torch.backends.cudnn.allow_tf32
        console.print(f"the plain loop's convolutions may use TF32 (PyTorch's default): {tf32}")
    told = what_takes_time(ways["ours"], hardware.device)
    if profile_file is not None:
        profile_file.write_text(told, encoding="utf-8")
    console.print(told, markup=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
