"""The three classifier heads of the optimisation-separated tri-classifier (METHOD section 1)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor, nn

from harness.bank.layers import SlimmableLinear

Head = Literal["source", "target", "adapted"]


class Outputs(NamedTuple):
    """Logits of the heads Cs, Ct and Ca, each [N, classes]."""

    source: Tensor
    target: Tensor
    adapted: Tensor


class Heads(nn.Module):
    """Cs and Ct do the domain confusion, Ca receives the ensemble's knowledge."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.source = SlimmableLinear(features, classes)
        self.target = SlimmableLinear(features, classes)
        self.adapted = SlimmableLinear(features, classes)

    def each(self) -> tuple[SlimmableLinear, ...]:
        """Return Cs, Ct and Ca."""
        return self.source, self.target, self.adapted

    def forward(self, features: Tensor) -> Outputs:
        """Map pooled features [N, f] to the logits of all heads."""
        return Outputs(self.source(features), self.target(features), self.adapted(features))
