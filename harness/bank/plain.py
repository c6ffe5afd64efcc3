"""What a cut subnet is made of besides PyTorch's own layers."""

from __future__ import annotations

from torch import Tensor, nn


class LinearResidual(nn.Module):
    """branch(x) + x, with no activation after the sum (MobileNetV2's linear bottleneck)."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, c, H, W] to the same shape."""
        y: Tensor = self.branch(x) + x
        return y


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
