"""Subnets of an untrained bank, exported for a device: costs hang on shapes alone, so no data are needed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from rich.progress import Progress

from devices import Device, Precision
from harness.bank import Architecture, create_bank
from harness.data import Domains, LabelledImages, Preprocessing
from harness.deployment import Deployment
from harness.measuring import Measurement, Store, finalists

#: Image height and width that a backbone is measured at.
SIZES = {"resnet8": 16}


def deployment(model: str, device: Device | None = None, size: int | None = None, classes: int = 10) -> Deployment:
    """Return what exports subnets of a fresh bank, for the device's engine and precision where one is given."""
    channels: Literal[1, 3] = 1 if model == "resnet8" else 3
    size = size or SIZES.get(model, 224)
    names = tuple(str(number) for number in range(classes))
    images = torch.zeros(2, channels, size, size)
    labelled = LabelledImages(images, torch.zeros(2, dtype=torch.int64))
    like = Preprocessing(size=(size, size), channels=channels, mean=(0.5,) * channels, std=(0.5,) * channels)
    domains = Domains("none", names, like, labelled, labelled, images)
    precision: Precision = device.precision if device else "fp32"
    for_tensorrt = device is not None and device.describe().by_tensorrt
    return Deployment(
        create_bank(model, names, (channels, size, size)), domains, 1, precision, for_tensorrt=for_tensorrt
    )


def measured_as_finalists(
    device: Device,
    exported: Deployment,
    archs: Iterable[Architecture],
    store: Store,
    console: Console,
    **protocol: float,
) -> dict[Architecture, Measurement]:
    """Measure subnets over fresh processes in turn, by the device's protocol but for what is given of it."""
    wanted = device.profile.protocol.model_copy(update=protocol)
    with tempfile.TemporaryDirectory() as folder, Progress(console=console) as progress:
        task = progress.add_task("measuring (processes)")
        subjects = {arch: exported.shape(arch, Path(folder)) for arch in archs}
        found = finalists(
            device,
            [*subjects.values()],
            exported.shape(exported.bank.space.full, Path(folder)),
            store=store,
            protocol=wanted,
            time_limit_s=7200,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
            notice=console.print,
        )
    return {arch: found[subject.name] for arch, subject in subjects.items()}
