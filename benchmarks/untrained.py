"""Subnets of an untrained bank, exported for a device: costs hang on shapes alone, so no data are needed."""

from __future__ import annotations

from typing import Literal

import torch

from devices import Device, Precision
from harness.bank import create_bank
from harness.data import Domains, LabelledImages, Preprocessing
from harness.deployment import Deployment

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
