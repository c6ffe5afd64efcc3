"""Winograd's minimal filtering F(4x4, 3x3): a 3x3 convolution at a quarter of its products.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. An output tile of 4x4 is
A ((G g G') * (B d B')) A' for its 6x6 inputs d and the filter g; both sides of a tile are taken at once here, by
Kronecker products. In float32 its rounding is some ten times that of the sum of products.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

#: Sides of the tiles of outputs and of inputs.
OUT, IN = 4, 6

_B = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=torch.float64,
)
_G = torch.tensor([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], dtype=torch.float64).div(
    24
)
_A = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], dtype=torch.float64
)


class Winograd:
    """A 3x3 convolution of stride 1 and padding 1 with given weights [O, C, 3, 3]."""

    def __init__(self, weight: Tensor) -> None:
        self._inputs, self._outputs = (torch.kron(m, m).to(weight) for m in (_B, _A))
        filters = weight.flatten(2).double() @ torch.kron(_G, _G).to(weight.device).T
        self._filters = filters.permute(2, 0, 1).to(weight.dtype).contiguous()  # [36, O, C]

    def __call__(self, x: Tensor, widths: Sequence[int], results: Sequence[Tensor]) -> None:
        """Set every result [o, H, W, N] to the convolution of the first `width` channels of x [C, H, W, N].

        Widths ascend; a result has no fewer channels than the next.
        """
        height, width = x.shape[1:3]
        x = F.pad(x, (0, 0, 1, 1 + -width % OUT, 1, 1 + -height % OUT))
        for top in range(0, height, OUT):
            for left in range(0, width, OUT):
                tile = x[:, top : top + IN, left : left + IN].reshape(len(x), IN * IN, -1)
                for product, result in zip(self._products(tile, widths, results), results, strict=True):
                    part = result[:, top : top + OUT, left : left + OUT]
                    part.copy_(product.view(len(result), OUT, OUT, -1)[:, : part.shape[1], : part.shape[2]])

    def _products(self, tile: Tensor, widths: Sequence[int], results: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield, for every width, what a tile [C, 36, N] of the inputs gives: [o, 16, N]."""
        columns = (self._inputs @ tile).transpose(0, 1)
        before, done = None, 0
        for width, result in zip(widths, results, strict=True):
            part, new = self._filters[:, : len(result), done:width], columns[:, done:width]
            product = torch.bmm(part, new) if before is None else torch.baddbmm(before[:, : len(result)], part, new)
            yield self._outputs @ product.transpose(0, 1)
            before, done = product, width
