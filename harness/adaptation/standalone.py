"""Training networks apart, one for each width: what sharing weights is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from harness.adaptation.hardware import Hardware
from harness.adaptation.objective import Capacity
from harness.adaptation.settings import AdaptationSettings
from harness.adaptation.training import train
from harness.bank import StandaloneBank, encode
from harness.data import Domains


def train_apart(
    bank: StandaloneBank,
    domains: Domains,
    settings: AdaptationSettings,
    *,
    capacity: Capacity,
    hardware: Hardware | None = None,
    checkpoints: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    observe: Callable[[int, Mapping[str, float]], None] | None = None,
) -> None:
    """Train every network of `bank` in place, each as `train` does with `only`.

    `checkpoints` is a folder for one checkpoint per network: a finished one is not trained again.
    """
    steps = settings.iterations * len(bank.archs)
    for index, arch in enumerate(bank.archs):

        def advance(done: int, _: int, before: int = index * settings.iterations) -> None:
            if progress:
                progress(before + done, steps)

        def note(done: int, seen: Mapping[str, float], widths: str = encode(arch)) -> None:
            if observe:
                observe(done, {f"{widths}/{name}": value for name, value in seen.items()})

        checkpoint = checkpoints / f"checkpoint-{encode(arch)}.safetensors" if checkpoints else None
        train(
            bank.weights_of(arch),
            domains,
            settings,
            capacity=capacity,
            only=arch,
            hardware=hardware,
            checkpoint=checkpoint,
            progress=advance,
            observe=note,
        )
