"""The backbones by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from harness.bank import mobilenet
from harness.bank.backbone import Backbone
from harness.bank.resnet import CONFIGS, SlimmableResNet

#: What makes a backbone for images of so many channels.
BACKBONES: dict[str, Callable[[int], Backbone]] = {
    **{name: partial(SlimmableResNet, config) for name, config in CONFIGS.items()},
    mobilenet.NAME: mobilenet.SlimmableMobileNetV2,
}

MODELS = tuple(BACKBONES)
