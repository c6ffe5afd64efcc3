"""Logits of many subnets of one bank on the same images, each computed once as far as subnets have it in common.

Every layer is normalised by the statistics of the one large batch (METHOD section 4), channel by channel. So a layer's
channels depend on nothing but its input, and the walk computes them once for every distinct input, as many as the
widest subnet needs, and slices. It goes through the subnets depth first, down the tree of their widths in forward
order, and keeps what it computed for later calls as far as memory allows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.bank import (
    ModelBank,
    Normalisation,
    SlimmableBatchNorm2d,
    SlimmableLinear,
    SlimmableResNet,
    StandaloneBank,
    Step,
)
from harness.search.convolution import NestedConvolution
from harness.space import Architecture

#: Bytes of activations that are kept for later subnets.
KEPT_BYTES = 1 << 30

#: Bytes of activations on one path from stem to head, at full width, up to which subnets are walked.
PATH_BYTES = 1 << 30

#: Bytes of results that one step gives at a time, to subnets of different input widths.
SIBLING_BYTES = 64 << 20


@dataclass(frozen=True)
class _State:
    """What a step hands to the next: its result, and inside a block the shortcut; both [C, H, W, N].

    `nbytes` is the memory that it adds to what came before.
    """

    main: Tensor
    shortcut: Tensor | None
    nbytes: int


@dataclass(frozen=True)
class _Need:
    """How many channels the subnets behind a state need of its two parts."""

    main: int
    block: int

    def met_by(self, state: _State) -> bool:
        return len(state.main) >= self.main and (state.shortcut is None or len(state.shortcut) >= self.block)


class _Stage:
    """A step of the backbone with its convolutions at the size of its input, and the width that the next one takes."""

    def __init__(self, step: Step, size: tuple[int, int], after: int) -> None:
        self.step = step
        self.after = after
        self._convolve = NestedConvolution(step.conv, size)
        self._project = NestedConvolution(step.projection[0], size) if step.projection else None
        self.output_size = self._convolve.output_size

    def results(self, state: _State, needs: Mapping[int, _Need]) -> Iterator[tuple[int, _State]]:
        """Yield, for each input width in ascending order, what the step gives, as wide as is needed."""
        mains = self._convolve(state.main, {width: need.main for width, need in needs.items()})
        for width, main, shortcut in zip(needs, mains, self._shortcuts(state, needs), strict=True):
            main = normalise(self.step.norm, main)
            if self.step.closes:
                assert shortcut is not None
                main += shortcut[: len(main)]
            added = main.nbytes + (shortcut.nbytes if shortcut is not None and self._project else 0)
            yield width, _State(main.relu_(), None if self.step.closes else shortcut, added)

    def _shortcuts(self, state: _State, needs: Mapping[int, _Need]) -> list[Tensor | None]:
        if self.step.projection and self._project:
            projected = self._project(state.main, {width: need.block for width, need in needs.items()})
            return [normalise(self.step.projection[1], x) for x in projected]
        return [state.main[:width] if self.step.opens else state.shortcut for width in needs]


class Walk:
    """Computes logits of subnets of a residual bank whose weights, like the images [N, C, H, W], stay as they are."""

    @torch.no_grad()
    def __init__(self, bank: ModelBank, images: Tensor) -> None:
        head = bank.heads.get_submodule(bank.spec.head)
        assert isinstance(head, SlimmableLinear)
        self._head = head
        stem = residual(bank).stem(images, bank.space.full[0], Normalisation()).permute(1, 2, 3, 0).contiguous()
        self._stem = _State(stem, None, stem.nbytes)
        self._stages = _stages(bank, (stem.shape[1], stem.shape[2]))
        self._kept = _Kept(KEPT_BYTES)

    @torch.no_grad()
    def logits(self, archs: Sequence[Architecture]) -> Iterator[tuple[Architecture, Tensor]]:
        """Yield every distinct architecture with its deployed head's logits [N, classes], in the order of the walk."""
        yield from self._descend((), self._stem, list(dict.fromkeys(archs)))

    def _descend(
        self, prefix: Architecture, state: _State, archs: Sequence[Architecture]
    ) -> Iterator[tuple[Architecture, Tensor]]:
        """Walk on from `state`, which the steps so far give at the input widths `prefix`, common to all `archs`."""
        if len(prefix) == len(self._stages):
            features = state.main.mean(dim=(1, 2)).T
            for arch in archs:
                yield arch, self._head(features[:, : arch[self._stages[-1].after]])
            return
        stage = self._stages[len(prefix)]
        branches: dict[int, list[Architecture]] = {}
        for arch in sorted(archs, key=lambda arch: arch[stage.step.inputs]):
            branches.setdefault(arch[stage.step.inputs], []).append(arch)
        widths = list(branches)
        at_a_time = max(1, SIBLING_BYTES // state.main.nbytes)
        for start in range(0, len(widths), at_a_time):
            part = {width: branches[width] for width in widths[start : start + at_a_time]}
            states = self._results(stage, prefix, state, part)
            for width, some in part.items():
                yield from self._descend((*prefix, width), states.pop(width), some)

    def _results(
        self, stage: _Stage, prefix: Architecture, state: _State, branches: Mapping[int, Sequence[Architecture]]
    ) -> dict[int, _State]:
        """Return what a step gives for each of its input widths, from memory where it is kept."""
        results: dict[int, _State] = {}
        missing: dict[int, _Need] = {}
        for width, archs in branches.items():
            need = _Need(max(arch[stage.after] for arch in archs), max(arch[stage.step.block] for arch in archs))
            kept = self._kept.get((*prefix, width))
            if kept is not None and need.met_by(kept):
                results[width] = kept
            else:
                missing[width] = need
        if missing:
            for width, result in stage.results(state, missing):
                results[width] = result
                self._kept.put((*prefix, width), result)
        return results


class _Kept:
    """States by the input widths that led to them; those asked for least lately go where the bytes are exceeded."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._states: OrderedDict[Architecture, _State] = OrderedDict()

    def get(self, prefix: Architecture) -> _State | None:
        state = self._states.get(prefix)
        if state is not None:
            self._states.move_to_end(prefix)
        return state

    def put(self, prefix: Architecture, state: _State) -> None:
        before = self._states.pop(prefix, None)
        self._states[prefix] = state
        self._bytes += state.nbytes - (before.nbytes if before else 0)
        while self._bytes > self._limit:
            self._bytes -= self._states.popitem(last=False)[1].nbytes


def can_walk(bank: ModelBank, images: int) -> bool:
    """Whether subnets share weights, form a line of steps, and memory suffices for so many images."""
    if isinstance(bank, StandaloneBank) or not isinstance(bank.backbone, SlimmableResNet):
        return False
    return path_bytes(bank, images) <= PATH_BYTES


def residual(bank: ModelBank) -> SlimmableResNet:
    """Return the backbone of a bank that can be walked."""
    assert isinstance(bank.backbone, SlimmableResNet)
    return bank.backbone


def path_bytes(bank: ModelBank, images: int) -> int:
    """Return the memory that one path from stem to head takes at full width, in float32."""
    one = torch.empty(2, *bank.spec.input_shape, device="meta")
    stem = residual(bank).maxpool(one.new_empty(2, bank.space.full[0], *_stem_size(bank)))
    size = (int(stem.shape[2]), int(stem.shape[3]))
    numbers = bank.space.full[0] * size[0] * size[1]
    for stage in _stages(bank, size):
        height, width = stage.output_size
        channels = stage.step.conv.out_channels
        if stage.step.projection:
            channels += stage.step.projection[0].out_channels
        numbers += channels * height * width
    return 4 * images * numbers


def _stem_size(bank: ModelBank) -> tuple[int, int]:
    _, height, width = bank.spec.input_shape
    return NestedConvolution(residual(bank).conv1, (height, width)).output_size


def _stages(bank: ModelBank, size: tuple[int, int]) -> tuple[_Stage, ...]:
    """Return the backbone's steps for what a stem of this height and width hands to the first."""
    steps = list(residual(bank).steps())
    after = [*(step.inputs for step in steps[1:]), steps[-1].block]
    stages: list[_Stage] = []
    for step, width in zip(steps, after, strict=True):
        stages.append(_Stage(step, size, width))
        size = stages[-1].output_size
    return tuple(stages)


def normalise(norm: SlimmableBatchNorm2d, x: Tensor) -> Tensor:
    """Return `x` [C, H, W, N] normalised by its own mean and biased variance in every channel.

    With every channel a group of its own and all images one sample, that is group-norm, whose kernel is much faster.
    """
    count = len(x)
    return F.group_norm(x.reshape(1, count, -1), count, norm.weight[:count], norm.bias[:count], norm.eps).view(x.shape)
