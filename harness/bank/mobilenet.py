"""A slimmable MobileNetV2 with non-uniform widths (Sandler et al., MobileNetV2, CVPR 2018).

Module names follow torchvision's, so that a full-width state dict maps one to one. A depthwise convolution has the
width of what it reads; in an inverted residual that is the expansion, a width of its own. A stage's outputs are tied.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from harness.bank.backbone import Backbone
from harness.bank.layers import (
    Layer,
    Normalisation,
    SlimmableBatchNorm2d,
    SlimmableConv2d,
    SlimmableDepthwiseConv2d,
    Statistics,
)
from harness.bank.plain import LinearResidual
from harness.space import Architecture, Slot, Space

NAME = "mobilenet_v2"
STEM, LAST = 32, 1280
DIVISOR = 2

#: The narrowest width as a share of the full one, so that the space reaches 1/64 of the multiply-adds.
MINIMUM_SHARE = 0.08


@dataclass(frozen=True)
class Stage:
    """Inverted residuals of one output width; the first has the stride."""

    expansion: int
    channels: int
    blocks: int
    stride: int


STAGES = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)

#: A convolution and the batch-norm after it.
Normalised = tuple[SlimmableConv2d, SlimmableBatchNorm2d]
NormalisedDepthwise = tuple[SlimmableDepthwiseConv2d, SlimmableBatchNorm2d]


def mobilenet_space() -> Space:
    """Return the width choices: stem, stage outputs and the last convolution, then the expansions."""

    def slot(name: str, full: int) -> Slot:
        return Slot(name, full, max(1, round(full * MINIMUM_SHARE / DIVISOR)) * DIVISOR, DIVISOR)

    slots = [slot("stem", STEM), *(slot(f"stage{i}", stage.channels) for i, stage in enumerate(STAGES, 1))]
    slots.append(slot("last", LAST))
    c_in = STEM
    for i, stage in enumerate(STAGES, 1):
        for b in range(1, stage.blocks + 1):
            if stage.expansion > 1:
                slots.append(slot(f"stage{i}.block{b}.inner1", c_in * stage.expansion))
            c_in = stage.channels
    return Space(NAME, tuple(slots))


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and linear projection, added to the input where both are alike."""

    def __init__(self, c_in: int, stage: Stage, stride: int) -> None:
        super().__init__()
        self.expands = stage.expansion > 1
        self.adds = stride == 1 and c_in == stage.channels
        inner = c_in * stage.expansion
        parts = [_with_norm(SlimmableConv2d(c_in, inner, 1, bias=False))] if self.expands else []
        parts.append(_with_norm(SlimmableDepthwiseConv2d(inner, 3, stride)))
        self.conv = nn.Sequential(*parts, *_with_norm(SlimmableConv2d(inner, stage.channels, 1, bias=False)))

    def forward(self, x: Tensor, inner: int, out: int, normalisation: Normalisation) -> Tensor:
        """Map [N, c, H, W] to [N, out, H', W']; `inner` is the width of the expansion, or c where there is none."""
        y = x
        if self.expands:
            expand, norm = self._expand
            y = _relu6(norm(expand(y, inner), normalisation))
        depthwise, norm = self._depthwise
        y = _relu6(norm(depthwise(y), normalisation))
        project, norm = self._project
        projected: Tensor = norm(project(y, out), normalisation)
        return projected + x if self.adds else projected

    def cut(self, c_in: int, inner: int, out: int, statistics: Statistics) -> nn.Module:
        """Return the running part as an ordinary block."""
        branch: OrderedDict[str, nn.Module] = OrderedDict()
        if self.expands:
            expand, norm = self._expand
            branch["expand"] = expand.cut(c_in, inner)
            branch["expand_norm"] = norm.cut(inner, statistics)
            branch["expand_relu"] = nn.ReLU6(inplace=True)
        depthwise, norm = self._depthwise
        branch["depthwise"] = depthwise.cut(inner)
        branch["depthwise_norm"] = norm.cut(inner, statistics)
        branch["depthwise_relu"] = nn.ReLU6(inplace=True)
        project, norm = self._project
        branch["project"] = project.cut(inner, out)
        branch["project_norm"] = norm.cut(out, statistics)
        return LinearResidual(nn.Sequential(branch)) if self.adds else nn.Sequential(branch)

    def layers(self, name: str, c_in: int, inner: int, out: int) -> Iterator[Layer]:
        """Yield the convolutions of the block that a cut calls `name`; the numbers are indices of widths."""
        below = f"{name}.branch" if self.adds else name
        if self.expands:
            yield Layer(f"{below}.expand", *self._expand, c_in, inner)
        yield Layer(f"{below}.depthwise", *self._depthwise, inner, inner)
        yield Layer(f"{below}.project", *self._project, inner, out)

    @property
    def _expand(self) -> Normalised:
        return _both(*self.conv[0].children())

    @property
    def _depthwise(self) -> NormalisedDepthwise:
        conv, norm = self.conv[1 if self.expands else 0].children()
        assert isinstance(conv, SlimmableDepthwiseConv2d)
        assert isinstance(norm, SlimmableBatchNorm2d)
        return conv, norm

    @property
    def _project(self) -> Normalised:
        return _both(*self.conv[-2:])


class SlimmableMobileNetV2(Backbone):
    """Stem, stages and last convolution up to the pooled features."""

    stem_name = "features.0.0.weight"
    classifier_name = "classifier.1"

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.space = mobilenet_space()
        self.features_slot = len(STAGES) + 1
        modules: list[nn.Module] = [_with_norm(SlimmableConv2d(in_channels, STEM, 3, 2, 1, bias=False))]
        c_in = STEM
        for stage in STAGES:
            for b in range(stage.blocks):
                modules.append(InvertedResidual(c_in, stage, stage.stride if b == 0 else 1))
                c_in = stage.channels
        modules.append(_with_norm(SlimmableConv2d(c_in, LAST, 1, bias=False)))
        self.features = nn.Sequential(*modules)
        self.initialise()

    def forward(self, images: Tensor, arch: Architecture, normalisation: Normalisation) -> Tensor:
        """Map images [N, C, H, W] to pooled features [N, last width]."""
        (stem, stem_norm), (last, last_norm) = self._ends()
        x = _relu6(stem_norm(stem(images, arch[0]), normalisation))
        for _, block, _, inner, out in self._blocks(arch):
            x = block(x, inner, out, normalisation)
        x = _relu6(last_norm(last(x, arch[self.features_slot]), normalisation))
        return x.mean(dim=(2, 3))

    def cut(self, arch: Architecture, statistics: Statistics) -> OrderedDict[str, nn.Module]:
        """Return the running part as ordinary modules, in order, from image to pooled features."""
        (stem, stem_norm), (last, last_norm) = self._ends()
        modules: OrderedDict[str, nn.Module] = OrderedDict(
            stem=stem.cut(stem.in_channels, arch[0]),
            stem_norm=stem_norm.cut(arch[0], statistics),
            stem_relu=nn.ReLU6(inplace=True),
        )
        for name, block, c_in, inner, out in self._blocks(arch):
            modules[name] = block.cut(c_in, inner, out, statistics)
        width = arch[self.features_slot]
        modules["last"] = last.cut(arch[self.features_slot - 1], width)
        modules["last_norm"] = last_norm.cut(width, statistics)
        modules["last_relu"] = nn.ReLU6(inplace=True)
        modules["pool"] = nn.AdaptiveAvgPool2d(1)
        modules["flatten"] = nn.Flatten()
        return modules

    def layers(self) -> Iterator[Layer]:
        """Yield every convolution in forward order."""
        stem, last = self._ends()
        yield Layer("stem", *stem, None, 0)
        for name, block, c_in, inner, out in self._blocks(tuple(range(len(self.space.slots)))):
            yield from block.layers(name, c_in, inner, out)
        yield Layer("last", *last, self.features_slot - 1, self.features_slot)

    def _ends(self) -> tuple[Normalised, Normalised]:
        return _both(*self.features[0].children()), _both(*self.features[-1].children())

    def _blocks(self, arch: Architecture) -> Iterator[tuple[str, InvertedResidual, int, int, int]]:
        """Yield every block with its name and its widths: input, expansion and output; in forward order."""
        outputs, inner = arch[1 : self.features_slot], iter(arch[self.features_slot + 1 :])
        blocks = iter(self.features[1:-1])
        c_in = arch[0]
        for i, (stage, out) in enumerate(zip(STAGES, outputs, strict=True), 1):
            for b in range(1, stage.blocks + 1):
                block = next(blocks)
                assert isinstance(block, InvertedResidual)
                yield f"stage{i}_{b}", block, c_in, next(inner) if block.expands else c_in, out
                c_in = out


def _with_norm(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, SlimmableBatchNorm2d(conv.out_channels))


def _both(conv: nn.Module, norm: nn.Module) -> Normalised:
    assert isinstance(conv, SlimmableConv2d)
    assert isinstance(norm, SlimmableBatchNorm2d)
    return conv, norm


def _relu6(x: Tensor) -> Tensor:
    return F.relu6(x, inplace=True)
