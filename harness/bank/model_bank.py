"""The model bank: one set of shared weights out of which every subnet is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.bank.heads import Head, Heads, Outputs
from harness.bank.layers import Layer, Normalisation, SlimmableLinear, Statistics
from harness.bank.models import BACKBONES
from harness.bank.state_dicts import misfit
from harness.clauses import one_line
from harness.space import Architecture


class BankError(ValueError):
    """A model bank that cannot be made or read; the message says why in one sentence."""


def known_model(name: str) -> str:
    """Return the name of a model that there is; raises BankError for any other."""
    if name not in BACKBONES:
        raise BankError(f"unknown model {one_line(repr(name), 60)}; known: {', '.join(BACKBONES)}")
    return name


@dataclass(frozen=True)
class BankSpec:
    """What a bank is besides its weights.

    `input_shape` is (channels, height, width); `head` is the one that is deployed, scored and exported.
    """

    model: str
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    head: Head = "adapted"


class ModelBank(nn.Module):
    """A slimmable backbone with three heads."""

    def __init__(self, spec: BankSpec) -> None:
        super().__init__()
        known_model(spec.model)
        if len(spec.classes) < 2:
            raise BankError(f"a model bank needs at least two classes, got {len(spec.classes)}")
        self.spec = spec
        self.backbone = BACKBONES[spec.model](spec.input_shape[0])
        self.space = self.backbone.space
        self.heads = Heads(self.backbone.out_features, len(spec.classes))

    def offers(self, arch: Architecture) -> bool:
        """Whether the bank has a subnet of this architecture."""
        return arch in self.space

    def weights_of(self, arch: Architecture) -> ModelBank:
        """Return the bank that holds the subnet's weights: this one, where all subnets share them."""
        self.space.validate(arch)
        return self

    def features(self, images: Tensor, arch: Architecture, normalisation: Normalisation | None = None) -> Tensor:
        """Map images [N, C, H, W] to the subnet's pooled features [N, f]."""
        features: Tensor = self.backbone(images, arch, normalisation or Normalisation())
        return features

    def forward(self, images: Tensor, arch: Architecture, statistics: Statistics | None = None) -> Outputs:
        """Return the logits of all heads; batch-norm uses `statistics`, or the batch's own where there are none."""
        outputs: Outputs = self.heads(self.features(images, arch, Normalisation(given=statistics)))
        return outputs

    def logits(self, images: Tensor, arch: Architecture, statistics: Statistics | None = None) -> Tensor:
        """Return the logits [N, classes] of the head that is deployed; `statistics` as in `forward`."""
        logits: Tensor = getattr(self(images, arch, statistics), self.spec.head)
        return logits

    @torch.no_grad()
    def reestimate(self, images: Tensor, arch: Architecture) -> Statistics:
        """Return the subnet's batch-norm statistics on `images` [N, C, H, W].

        Pooled mean and biased variance over all images, layer by layer, as in one large batch (METHOD section 4).
        """
        return self.reestimate_and_forward(images, arch)[0]

    @torch.no_grad()
    def reestimate_and_forward(self, images: Tensor, arch: Architecture) -> tuple[Statistics, Outputs]:
        """Return `reestimate` and, out of the same pass, the outputs that the subnet then has on `images`."""
        recorded: Statistics = {}
        outputs = self.heads(self.features(images, arch, Normalisation(recorded=recorded)))
        return recorded, outputs

    def cut(self, arch: Architecture, statistics: Statistics) -> nn.Sequential:
        """Return the subnet as a plain module in evaluation mode, image to logits, that shares nothing with the bank.

        Module names are the same for every architecture.
        """
        self.space.validate(arch)
        modules = self.backbone.cut(arch, statistics)
        head = self.heads.get_submodule(self.spec.head)
        modules["classifier"] = head.cut(arch[self.backbone.features_slot])  # type: ignore[operator]
        return nn.Sequential(modules).eval()

    def layers(self) -> tuple[Layer, ...]:
        """Return the convolutions and the deployed head, in the order in which a cut runs them."""
        head = self.heads.get_submodule(self.spec.head)
        assert isinstance(head, SlimmableLinear)
        return (*self.backbone.layers(), Layer("classifier", head, None, self.backbone.features_slot, None))

    def neutral_statistics(self, arch: Architecture) -> Statistics:
        """Return mean 0 and variance 1 everywhere: enough where only the subnet's shapes matter."""
        return {
            layer.norm.name: (torch.zeros(layer.widths(arch)[1]), torch.ones(layer.widths(arch)[1]))
            for layer in self.layers()
            if layer.norm is not None
        }

    def torchvision_state_dict(self) -> dict[str, Tensor]:
        """Return the full-width weights under torchvision's names; its classifier is the deployed head."""
        head, name = self.heads.get_submodule(self.spec.head).state_dict(), self.backbone.classifier_name
        return {**self.backbone.state_dict(), **{f"{name}.{part}": value for part, value in head.items()}}

    def refuse_foreign(self, state_dict: Mapping[str, Tensor]) -> None:
        """Raise BankError, naming the first weight that does not fit, where these are not torchvision's weights."""
        if problem := misfit(state_dict, self.torchvision_state_dict()):
            raise BankError(f"these weights are not torchvision's {self.spec.model}: {one_line(problem, 200)}")

    def load_torchvision(self, state_dict: Mapping[str, Tensor]) -> None:
        """Take over torchvision's weights of the same network for as many classes; its classifier goes to all heads.

        Raises BankError, naming the first weight that does not fit.
        """
        self.refuse_foreign(state_dict)
        weights, name = dict(state_dict), self.backbone.classifier_name
        classifier = {part: weights.pop(f"{name}.{part}") for part in ("weight", "bias")}
        self.backbone.load_state_dict(weights)
        for head in self.heads.each():
            head.load_state_dict(classifier)


def create_bank(
    model: str,
    classes: Sequence[str],
    input_shape: tuple[int, int, int],
    *,
    seed: int = 0,
    head: Head = "adapted",
) -> ModelBank:
    """Return a freshly initialised bank: same seed, same weights; the global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ModelBank(BankSpec(model, tuple(classes), input_shape, head))
