"""What every slimmable backbone offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from harness.bank.layers import Layer, Normalisation, SlimmableBatchNorm2d, Statistics
from harness.space import Architecture, Space


class Backbone(nn.Module, ABC):
    """A network from images to pooled features, with torchvision's names for its weights.

    `space` are its width choices, `features_slot` the index of the features' width in an architecture.
    """

    #: torchvision's names of the first convolution and of the classifier that follows the features.
    stem_name: ClassVar[str]
    classifier_name: ClassVar[str]

    space: Space
    features_slot: int

    @property
    def out_features(self) -> int:
        """The features at full width."""
        return self.space.full[self.features_slot]

    @abstractmethod
    def forward(self, images: Tensor, arch: Architecture, normalisation: Normalisation) -> Tensor:
        """Map images [N, C, H, W] to pooled features [N, features' width]."""

    @abstractmethod
    def cut(self, arch: Architecture, statistics: Statistics) -> OrderedDict[str, nn.Module]:
        """Return the running part as ordinary modules, in order, from image to pooled features."""

    @abstractmethod
    def layers(self) -> Iterator[Layer]:
        """Yield every convolution in forward order."""

    def initialise(self) -> None:
        """Draw the convolutions' weights as torchvision does, and tell batch-norms their names."""
        for name, module in self.named_modules():
            if isinstance(module, SlimmableBatchNorm2d):
                module.name = name
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
