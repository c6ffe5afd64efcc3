"""Networks trained apart, one for each of a few widths, behind a bank's interface: the ladder's `standalone`."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from harness.bank.heads import Outputs
from harness.bank.layers import Statistics
from harness.bank.model_bank import BankSpec, ModelBank
from harness.space import Architecture, encode


class StandaloneBank(ModelBank):
    """A bank that shares nothing: every architecture that it offers runs on weights of its own.

    It is itself the full-width network, and holds the others as banks apart, which its parameters and state do not
    include. What is asked of an architecture without a network raises ValueError, but for shapes (`layers`, `cut`,
    `neutral_statistics`), which need no training.
    """

    def __init__(self, spec: BankSpec, archs: Iterable[Architecture]) -> None:
        super().__init__(spec)
        narrower = [self.space.validate(arch) for arch in archs if arch != self.space.full]
        self._others = {arch: ModelBank(spec) for arch in dict.fromkeys(narrower)}

    @property
    def archs(self) -> tuple[Architecture, ...]:
        """The architectures that have a network, the full one first."""
        return (self.space.full, *self._others)

    def offers(self, arch: Architecture) -> bool:
        """Whether there is a network for the architecture."""
        return arch in self.archs

    def weights_of(self, arch: Architecture) -> ModelBank:
        """Return the bank whose weights are the architecture's own network; ValueError where there is none."""
        if not self.offers(arch):
            known = ", ".join(map(encode, self.archs))
            raise ValueError(f"no network was trained for {encode(arch)}, only for {known}")
        return self._others.get(arch, self)

    def forward(self, images: Tensor, arch: Architecture, statistics: Statistics | None = None) -> Outputs:
        """Return the logits of all heads of the architecture's own network."""
        own = self.weights_of(arch)
        return super().forward(images, arch, statistics) if own is self else own.forward(images, arch, statistics)

    @torch.no_grad()
    def reestimate_and_forward(self, images: Tensor, arch: Architecture) -> tuple[Statistics, Outputs]:
        """Return the statistics and outputs of the architecture's own network."""
        own = self.weights_of(arch)
        if own is self:
            return super().reestimate_and_forward(images, arch)
        return own.reestimate_and_forward(images, arch)

    def cut(self, arch: Architecture, statistics: Statistics) -> nn.Sequential:
        """Return the architecture's own network as a plain module; where there is none, its shapes with any weights."""
        own = self._others.get(arch, self)
        return super().cut(arch, statistics) if own is self else own.cut(arch, statistics)


def create_standalone_bank(bank: ModelBank, archs: Iterable[Architecture]) -> StandaloneBank:
    """Return networks for `archs` and the full width that all start from the weights of `bank`."""
    apart = StandaloneBank(bank.spec, archs)
    for arch in apart.archs:
        apart.weights_of(arch).load_state_dict(bank.state_dict())
    return apart
