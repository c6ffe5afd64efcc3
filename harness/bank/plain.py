"""What a cut subnet is made of besides PyTorch's own layers."""

from __future__ import annotations

from torch import Tensor, nn


class Residual(nn.Module):
    """relu(branch(x) + shortcut(x))."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, c, H, W] to [N, c', H', W']."""
        y: Tensor = self.relu(self.branch(x) + self.shortcut(x))
        return y
