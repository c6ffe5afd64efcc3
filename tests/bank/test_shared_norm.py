"""Batch-norm over processes is one batch-norm over all images: here the processes are threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from harness.bank.shared_norm import shared_batch_norm


class Sums:
    """Adds up what every thread brings, in the order of the threads."""

    def __init__(self, count: int) -> None:
        self.barrier = Barrier(count, timeout=20)
        self.brought: list[Tensor] = [torch.empty(0)] * count

    def of(self, index: int) -> Callable[[Tensor], Tensor]:
        def total(tensor: Tensor) -> Tensor:
            self.brought[index] = tensor.clone()
            self.barrier.wait()
            found = torch.stack(self.brought).sum(0)
            self.barrier.wait()
            return found

        return total


def inputs(count: int, mean: float = 0.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images with a mean, weight, bias, and the gradient that arrives."""
    generator = torch.Generator().manual_seed(0)
    images, gradient = (torch.randn(count, 3, 4, 5, generator=generator) for _ in range(2))
    return images + mean, 1 + torch.rand(3, generator=generator), torch.rand(3, generator=generator), gradient


def in_parts(sizes: list[int], mean: float = 0.0, kind: torch.dtype = torch.float32) -> list[Tensor]:
    """Output and the gradients of images, weight and bias, in parts of these sizes."""
    images, weight, bias, gradient = inputs(sum(sizes), mean)
    sums = Sums(len(sizes))

    def part(index: int, own: Tensor, arriving: Tensor) -> list[Tensor]:
        leaves = [tensor.clone().requires_grad_() for tensor in (own.to(kind), weight, bias)]
        output = shared_batch_norm(leaves[0], leaves[1], leaves[2], 1e-5, sums.of(index))
        output.backward(arriving.to(kind))  # type: ignore[no-untyped-call]
        return [output.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]

    with ThreadPoolExecutor(len(sizes)) as pool:
        parts = list(pool.map(part, range(len(sizes)), torch.split(images, sizes), torch.split(gradient, sizes)))
    whole, of_images, of_weight, of_bias = zip(*parts, strict=True)
    return [torch.cat(whole), torch.cat(of_images), sum(of_weight, torch.zeros(3)), sum(of_bias, torch.zeros(3))]


def as_one(count: int, mean: float = 0.0, kind: torch.dtype = torch.float32) -> list[Tensor]:
    images, weight, bias, gradient = inputs(count, mean)
    leaves = [tensor.clone().requires_grad_() for tensor in (images.to(kind), weight, bias)]
    output = F.batch_norm(leaves[0], None, None, leaves[1], leaves[2], True, 0.0, 1e-5)
    output.backward(gradient.to(kind))  # type: ignore[no-untyped-call]
    return [output.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


@pytest.mark.parametrize("sizes", [[6], [3, 3], [1, 5], [2, 1, 3]])
def test_parts_of_any_sizes_give_the_outputs_and_gradients_of_one_batch(sizes: list[int]) -> None:
    for found, expected in zip(in_parts(sizes), as_one(6), strict=True):
        assert torch.allclose(found, expected, atol=2e-6)


def test_a_mean_far_from_zero_leaves_the_variance_exact() -> None:
    for found, expected in zip(in_parts([3, 3], mean=1000.0), as_one(6, mean=1000.0), strict=True):
        assert torch.allclose(found, expected, atol=2e-3)


def test_bfloat16_images_stay_so_and_weights_get_float32_gradients() -> None:
    found, expected = in_parts([2, 4], kind=torch.bfloat16), as_one(6, kind=torch.bfloat16)
    assert [tensor.dtype for tensor in found] == [torch.bfloat16] * 2 + [torch.float32] * 2
    for mine, one in zip(found, expected, strict=True):
        assert torch.allclose(mine.float(), one.float(), atol=3e-2)


def test_statistics_of_the_own_part_alone_would_be_noticed() -> None:
    """The test above can fail: halves that normalise themselves differ from the whole."""
    images, weight, bias, _ = inputs(6)
    halves = torch.cat([shared_batch_norm(half, weight, bias, 1e-5, lambda t: t) for half in torch.split(images, 3)])
    assert not torch.allclose(halves, as_one(6)[0], atol=1e-2)
