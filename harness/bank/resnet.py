"""Slimmable residual backbones with non-uniform widths.

Module names follow torchvision's ResNet, so that a full-width state dict maps one to one.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from harness.bank.backbone import Backbone
from harness.bank.layers import Layer, Normalisation, SlimmableBatchNorm2d, SlimmableConv2d, Statistics
from harness.bank.plain import Residual
from harness.bank.steps import Step
from harness.space import Architecture, Slot, Space


@dataclass(frozen=True)
class ResNetConfig:
    """A residual network: `planes` inner channels and `blocks` blocks per stage.

    `bottleneck`: 1x1, 3x3, 1x1 convolutions with four times as many outputs as planes; else two 3x3 convolutions.
    `small_images`: a 3x3 stem and 2x2 max-pooling; else torchvision's 7x7 stem with stride 2 and 3x3 max-pooling.
    `minimum_share`: the narrowest width as a share of the full one, so that the space reaches 1/64 of the multiply-adds
    (uniform 1/8 does not: stem and heads shrink only linearly).
    """

    name: str
    planes: tuple[int, ...]
    blocks: tuple[int, ...]
    bottleneck: bool
    small_images: bool
    divisor: int
    minimum_share: float

    @property
    def stage_outputs(self) -> tuple[int, ...]:
        """Full output channels of every stage."""
        return tuple(p * 4 if self.bottleneck else p for p in self.planes)

    @property
    def inner_per_block(self) -> int:
        """How many inner widths a block has."""
        return 2 if self.bottleneck else 1

    @property
    def stem_is_tied(self) -> bool:
        """Whether the first block's shortcut is the identity, so that stem and stage 1 have one width."""
        return self.planes[0] == self.stage_outputs[0]


CONFIGS = {
    config.name: config
    for config in (
        ResNetConfig("resnet8", (40, 80, 160), (1, 1, 1), False, small_images=True, divisor=2, minimum_share=0.1),
        ResNetConfig("resnet18", (64, 128, 256, 512), (2, 2, 2, 2), False, False, divisor=4, minimum_share=0.08),
        ResNetConfig("resnet34", (64, 128, 256, 512), (3, 4, 6, 3), False, False, divisor=4, minimum_share=0.1),
        ResNetConfig("resnet50", (64, 128, 256, 512), (3, 4, 6, 3), True, False, divisor=8, minimum_share=0.1),
    )
}


def space_of(config: ResNetConfig) -> Space:
    """Return the width choices of a residual network (METHOD section 4)."""

    def slot(name: str, full: int, tied_to: int | None = None) -> Slot:
        minimum = max(1, round(full * config.minimum_share / config.divisor)) * config.divisor
        return Slot(name, full, minimum, config.divisor, tied_to)

    slots = [slot("stem", config.planes[0], tied_to=1 if config.stem_is_tied else None)]
    slots += [slot(f"stage{i}", full) for i, full in enumerate(config.stage_outputs, 1)]
    for i, (planes, blocks) in enumerate(zip(config.planes, config.blocks, strict=True), 1):
        slots += [
            slot(f"stage{i}.block{b}.inner{k}", planes)
            for b in range(1, blocks + 1)
            for k in range(1, config.inner_per_block + 1)
        ]
    return Space(config.name, tuple(slots))


class SlimmableBlock(nn.Module):
    """A residual block whose inner widths are free and whose output has its stage's width."""

    def __init__(self, in_channels: int, planes: int, out_channels: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        # As in torchvision ("ResNet v1.5"), a bottleneck strides in its 3x3 convolution.
        shapes = (
            [(in_channels, planes, 1, 1), (planes, planes, 3, stride), (planes, out_channels, 1, 1)]
            if bottleneck
            else [(in_channels, planes, 3, stride), (planes, out_channels, 3, 1)]
        )
        self.depth = len(shapes)
        for i, (c_in, c_out, kernel, step) in enumerate(shapes, 1):
            self.add_module(f"conv{i}", SlimmableConv2d(c_in, c_out, kernel, step, kernel // 2, bias=False))
            self.add_module(f"bn{i}", SlimmableBatchNorm2d(c_out))
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                SlimmableConv2d(in_channels, out_channels, 1, stride, bias=False), SlimmableBatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor, inner: Sequence[int], out: int, normalisation: Normalisation) -> Tensor:
        """Map [N, c, H, W] to [N, out, H', W']."""
        *inner_layers, (last_conv, last_bn) = self._layers()
        y: Tensor = x
        for (conv, bn), width in zip(inner_layers, inner, strict=True):
            y = bn(conv(y, width), normalisation).relu_()
        y = last_bn(last_conv(y, out), normalisation)
        if self.downsample is not None:
            x = self.downsample[1](self.downsample[0](x, out), normalisation)
        y = y + x
        return y.relu_()

    def cut(self, in_channels: int, inner: Sequence[int], out: int, statistics: Statistics) -> Residual:
        """Return the running part as an ordinary residual block."""
        branch: OrderedDict[str, nn.Module] = OrderedDict()
        c_in = in_channels
        for i, ((conv, bn), width) in enumerate(zip(self._layers(), [*inner, out], strict=True), 1):
            branch[f"conv{i}"] = conv.cut(c_in, width)
            branch[f"bn{i}"] = bn.cut(width, statistics)
            if i < self.depth:
                branch[f"relu{i}"] = nn.ReLU(inplace=True)
            c_in = width
        shortcut: nn.Module = nn.Identity()
        if self.downsample is not None:
            down_conv, down_bn = self._shortcut(self.downsample)
            shortcut = nn.Sequential(OrderedDict(conv=down_conv.cut(in_channels, out), bn=down_bn.cut(out, statistics)))
        return Residual(nn.Sequential(branch), shortcut)

    def layers(self, name: str, inputs: int, inner: Sequence[int], out: int) -> Iterator[Layer]:
        """Yield the convolutions of the block that a cut calls `name`; the numbers are indices of widths."""
        c_in = inputs
        for i, ((conv, bn), width) in enumerate(zip(self._layers(), [*inner, out], strict=True), 1):
            yield Layer(f"{name}.branch.conv{i}", conv, bn, c_in, width)
            c_in = width
        if self.downsample is not None:
            yield Layer(f"{name}.shortcut.conv", *self._shortcut(self.downsample), inputs, out)

    def steps(self, inputs: int, inner: Sequence[int], out: int) -> Iterator[Step]:
        """Yield the convolutions of the main line; the numbers are indices of widths."""
        shortcut = self._shortcut(self.downsample) if self.downsample is not None else None
        for i, ((conv, bn), c_in) in enumerate(zip(self._layers(), [inputs, *inner], strict=True), 1):
            yield Step(conv, bn, c_in, out, shortcut if i == 1 else None, opens=i == 1, closes=i == self.depth)

    def _layers(self) -> Iterator[tuple[SlimmableConv2d, SlimmableBatchNorm2d]]:
        for i in range(1, self.depth + 1):
            yield getattr(self, f"conv{i}"), getattr(self, f"bn{i}")

    @staticmethod
    def _shortcut(downsample: nn.Sequential) -> tuple[SlimmableConv2d, SlimmableBatchNorm2d]:
        conv, bn = downsample
        assert isinstance(conv, SlimmableConv2d)
        assert isinstance(bn, SlimmableBatchNorm2d)
        return conv, bn


class SlimmableResNet(Backbone):
    """Stem and stages up to the pooled features."""

    stem_name = "conv1.weight"
    classifier_name = "fc"

    def __init__(self, config: ResNetConfig, in_channels: int) -> None:
        super().__init__()
        self.config = config
        self.space = space_of(config)
        self.features_slot = len(config.planes)
        stem = config.planes[0]
        self.conv1 = (
            SlimmableConv2d(in_channels, stem, 3, 1, 1, bias=False)
            if config.small_images
            else SlimmableConv2d(in_channels, stem, 7, 2, 3, bias=False)
        )
        self.bn1 = SlimmableBatchNorm2d(stem)
        self.maxpool = nn.MaxPool2d(2) if config.small_images else nn.MaxPool2d(3, 2, 1)
        c_in = stem
        for i, (planes, blocks, c_out) in enumerate(
            zip(config.planes, config.blocks, config.stage_outputs, strict=True), 1
        ):
            stage = []
            for b in range(blocks):
                stride = 2 if b == 0 and i > 1 else 1
                stage.append(SlimmableBlock(c_in, planes, c_out, stride, config.bottleneck))
                c_in = c_out
            self.add_module(f"layer{i}", nn.Sequential(*stage))
        self.initialise()

    def forward(self, images: Tensor, arch: Architecture, normalisation: Normalisation) -> Tensor:
        """Map images [N, C, H, W] to pooled features [N, last stage's width]."""
        x = self.stem(images, arch[0], normalisation)
        for _, block, inner, out in self._blocks(arch):
            x = block(x, inner, out, normalisation)
        return x.mean(dim=(2, 3))

    def stem(self, images: Tensor, width: int, normalisation: Normalisation) -> Tensor:
        """Map images [N, C, H, W] to what the first block takes, [N, width, H', W']."""
        x: Tensor = self.maxpool(self.bn1(self.conv1(images, width), normalisation).relu_())
        return x

    def steps(self) -> Iterator[Step]:
        """Yield what comes between stem and pooling as steps, each of which depends on the widths before it alone."""
        slots = tuple(range(len(self.space.slots)))
        c_in = 0
        for _, block, inner, out in self._blocks(slots):
            yield from block.steps(c_in, inner, out)
            c_in = out

    def cut(self, arch: Architecture, statistics: Statistics) -> OrderedDict[str, nn.Module]:
        """Return the running part as ordinary modules, in order, from image to pooled features."""
        modules: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=self.conv1.cut(self.conv1.in_channels, arch[0]),
            bn1=self.bn1.cut(arch[0], statistics),
            relu1=nn.ReLU(inplace=True),
        )
        modules["maxpool"] = copy.deepcopy(self.maxpool)
        c_in = arch[0]
        for name, block, inner, out in self._blocks(arch):
            modules[name] = block.cut(c_in, inner, out, statistics)
            c_in = out
        modules["pool"] = nn.AdaptiveAvgPool2d(1)
        modules["flatten"] = nn.Flatten()
        return modules

    def layers(self) -> Iterator[Layer]:
        """Yield every convolution in forward order."""
        slots = tuple(range(len(self.space.slots)))
        yield Layer("conv1", self.conv1, self.bn1, None, 0)
        c_in = 0
        for name, block, inner, out in self._blocks(slots):
            yield from block.layers(name, c_in, inner, out)
            c_in = out

    def _blocks(self, arch: Architecture) -> Iterator[tuple[str, SlimmableBlock, Architecture, int]]:
        """Yield every block with its name, inner widths and output width, in forward order."""
        stages = len(self.config.planes)
        outputs, inner = arch[1 : stages + 1], arch[stages + 1 :]
        per_block = self.config.inner_per_block
        for i, out in enumerate(outputs, 1):
            for b, block in enumerate(self.get_submodule(f"layer{i}").children(), 1):
                assert isinstance(block, SlimmableBlock)
                yield f"layer{i}_{b}", block, inner[:per_block], out
                inner = inner[per_block:]
