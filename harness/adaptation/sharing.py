"""One training by several processes: each runs its rows of every batch, and all take the same optimiser step.

The pooled features, small as they are, are put together again, so that every process computes the losses of the whole
batch - the ensemble's knowledge and every batch mean included - and knows the gradient of its own rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from harness import processes
from harness.bank import ModelBank


@dataclass(frozen=True)
class Team:
    """The processes that share a training, seen from one of them; `group` carries what its device computes."""

    rank: int
    size: int
    group: dist.ProcessGroup | None

    def rows(self, count: int) -> slice:
        """Return which of a batch's `count` images are this process's; shares differ by one at most."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def total(self, tensor: Tensor) -> Tensor:
        """Add up a tensor over all processes, in place; gradients do not pass."""
        dist.all_reduce(tensor, group=self.group)
        return tensor

    def gathered(self, rows: Tensor, count: int) -> Tensor:
        """Return the rows [count, f] of all processes out of this one's; its gradient is that of its own rows."""
        everything: Tensor = _Gather.apply(rows, count, self)
        return everything

    def share_gradients(self, bank: ModelBank) -> None:
        """Give every process the whole batch's gradients.

        The backbone's are summands, one of each process's rows. The heads saw all features, so theirs are equal but
        for what a device's kernels leave to chance: their mean keeps the processes' weights the same.
        """
        heads = {id(parameter) for parameter in bank.heads.parameters()}
        found = [parameter for parameter in bank.parameters() if parameter.grad is not None]
        parts = [p.grad / self.size if id(p) in heads else p.grad for p in found if p.grad is not None]
        flat = self.total(torch.cat([part.reshape(-1) for part in parts]))
        for parameter, part in zip(found, torch.split(flat, [p.numel() for p in found]), strict=True):
            parameter.grad.copy_(part.view(parameter.shape))  # type: ignore[union-attr]


def new_team(device: torch.device) -> Team | None:
    """Return this process's team: NCCL's on GPUs, gloo's on processors; None where it trains alone."""
    if not processes.several():
        return None
    group = dist.new_group(backend="nccl", timeout=processes.PATIENCE) if device.type == "cuda" else dist.group.WORLD
    assert isinstance(group, dist.ProcessGroup)
    return Team(dist.get_rank(), dist.get_world_size(), group)


class _Gather(torch.autograd.Function):
    """As a sum over zeros: shares may differ in size, and every backend can do it."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, count: int, team: Team) -> Tensor:
        """Put the rows in their places."""
        ctx.rows = team.rows(count)
        everything = rows.new_zeros(count, rows.shape[1])
        everything[ctx.rows] = rows
        return team.total(everything)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None, None]:
        """Every process knows the whole gradient, of which its own rows are its part."""
        return gradients[0][ctx.rows], None, None
