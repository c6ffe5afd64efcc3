"""A convolution of several inputs of which each is the beginning of the next: the first channels of one tensor.

Activations are [C, H, W, N], so that a slice of channels is one piece of memory and a convolution a matrix product.
What a wider input gives is what the narrower one gave and more: the product over all of them is computed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.bank import SlimmableConv2d
from harness.search.winograd import Winograd

#: Bytes of the columns of a convolution that are laid out at a time: about what a core's own cache holds.
COLUMN_BYTES = 2 << 20


class NestedConvolution:
    """Convolves the first channels of an input, for several counts of them at once, with a slimmable layer's weights.

    The weights must stay as they are.
    """

    def __init__(self, conv: SlimmableConv2d, size: tuple[int, int]) -> None:
        """Take the height and width of the inputs."""
        self._conv = conv
        self._size = size
        self._kernel, self._stride, self._padding = (
            int(pair[0]) for pair in (conv.kernel_size, conv.stride, conv.padding)
        )

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the outputs."""
        height, width = ((size + 2 * self._padding - self._kernel) // self._stride + 1 for size in self._size)
        return height, width

    def __call__(self, x: Tensor, outputs: Mapping[int, int]) -> list[Tensor]:
        """Return the convolution of `x[:width]` up to `out` channels, for each `width: out` in ascending order.

        `x` is [C, H, W, N]; the results are [out, H', W', N].
        """
        widths, counts = list(outputs), list(outputs.values())
        # A wider input's result goes on from the narrower one's, which therefore has at least as many channels.
        channels = [max(counts[i:]) for i in range(len(counts))]
        results = [x.new_empty(count, *self.output_size, x.shape[3]) for count in channels]
        x = x[: widths[-1]]
        if self._size[0] * self._size[1] < self._kernel**2:
            _multiply(self._dense, x.flatten(0, 2), widths, [result.flatten(0, 2) for result in results])
        elif (self._kernel, self._stride, self._padding) == (3, 1, 1):
            self._winograd(x, widths, results)
        else:
            weight = self._conv.weight.flatten(1)
            for rows, columns, part in self._columns(x):
                _multiply(weight, part, widths, [result[:, rows, columns].flatten(1) for result in results])
        return [result[:count] for result, count in zip(results, counts, strict=True)]

    def _columns(self, x: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
        """Yield rows and columns of the output and the [C * k * k, M] that gives them, M over rows, columns, images."""
        if self._padding:
            x = F.pad(x, (0, 0, *(self._padding,) * 4))
        windows = x.unfold(1, self._kernel, self._stride).unfold(2, self._kernel, self._stride)
        windows = windows.permute(0, 4, 5, 1, 2, 3)  # [C, k, k, H', W', N]
        height, width = self.output_size
        places = max(1, COLUMN_BYTES // (windows[:, :, :, 0, 0].numel() * x.element_size()))
        wide, high = min(places, width), max(1, places // width)
        for top in range(0, height, high):
            for left in range(0, width, wide):
                rows, columns = slice(top, top + high), slice(left, left + wide)
                yield rows, columns, windows[:, :, :, rows, columns].flatten(3).flatten(0, 2)

    @cached_property
    def _winograd(self) -> Winograd:
        return Winograd(self._conv.weight)

    @cached_property
    def _dense(self) -> Tensor:
        """The matrix [O * H' * W', C * H * W] of the convolution, for maps so small that a kernel covers them.

        It has fewer products than there are with the padding.
        """
        places = self._size[0] * self._size[1]
        weight = self._conv.weight
        impulses = torch.eye(places, dtype=weight.dtype, device=weight.device).view(places, 1, *self._size)
        answers = F.conv2d(impulses, weight.flatten(0, 1)[:, None], None, self._stride, self._padding)
        outputs, inputs = weight.shape[:2]
        return answers.view(places, outputs, inputs, -1).permute(1, 3, 2, 0).reshape(-1, inputs * places)


def _multiply(weight: Tensor, columns: Tensor, widths: Sequence[int], results: Sequence[Tensor]) -> None:
    """Set every result [o, M] to weight[:o, :k] @ columns[:k], k being the rows of the first `width` channels."""
    rows = len(columns) // widths[-1]
    before, done = None, 0
    for width, result in zip(widths, results, strict=True):
        part, new = weight[: len(result), done : width * rows], columns[done : width * rows]
        if before is None:
            torch.mm(part, new, out=result)
        else:
            torch.addmm(before[: len(result)], part, new, out=result)
        before, done = result, width * rows
