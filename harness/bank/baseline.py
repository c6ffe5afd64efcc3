"""Networks that a user would pick instead of a subnet: torchvision's classifiers, adapted as one subnet is."""

from __future__ import annotations

import copy
import difflib
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
import torchvision
from torch import Tensor, nn

from harness.bank.heads import Head, Heads
from harness.bank.layers import Normalisation, SlimmableBatchNorm2d, SlimmableLinear, Statistics
from harness.bank.model_bank import BankSpec, ModelBank
from harness.space import Architecture, Slot, Space

Module = TypeVar("Module", bound=nn.Module)


class BaselineError(ValueError):
    """A network that cannot be a baseline here; the message says why in one sentence."""


class BaselineNetwork(ModelBank):
    """A torchvision network behind a bank's interface: three heads on its features, and one architecture.

    Its widths are the output channels of its convolutions in forward order. It offers what training, batch-norm
    re-estimation and cutting need; `layers` and torchvision's state dicts belong to slimmable networks.

    Dropout and stochastic depth are off, as subnets have neither: what is compared is the network, and the same seed
    gives the same weights whether or not training was interrupted.
    """

    def __init__(self, spec: BankSpec) -> None:
        nn.Module.__init__(self)  # there is no slimmable backbone
        self.spec = spec
        self.network = _without_randomness(_torchvision(spec.model))
        features = _take_off_classifier(self.network, spec.model)
        _take_channels(self.network, spec.input_shape[0])
        _replace(self.network, nn.BatchNorm2d, _told)
        widths = self._tried(features)
        slots = (Slot(f"convolution {i}", width, width, 1) for i, width in enumerate(widths, start=1))
        self.space = Space(spec.model, tuple(slots))
        self.heads = Heads(features, len(spec.classes))

    def features(self, images: Tensor, arch: Architecture, normalisation: Normalisation | None = None) -> Tensor:
        """Map images [N, C, H, W] to what the classifier would read [N, f]."""
        self.space.validate(arch)
        self._tell(normalisation or Normalisation())
        features: Tensor = self.network(images)
        self._tell(Normalisation())  # what was told may hold processes together, and is no part of the network
        return features

    def cut(self, arch: Architecture, statistics: Statistics) -> nn.Sequential:
        """Return the network with its deployed head as a plain module in evaluation mode, image to logits."""
        self.space.validate(arch)
        plain = copy.deepcopy(self.network)
        _replace(plain, SlimmableBatchNorm2d, lambda norm, _: norm.cut(norm.num_features, statistics))
        head = self.heads.get_submodule(self.spec.head)
        assert isinstance(head, SlimmableLinear)
        modules = OrderedDict(features=plain, classifier=head.cut(head.in_features))
        return nn.Sequential(modules).eval().requires_grad_(False)

    def neutral_statistics(self, arch: Architecture) -> Statistics:
        """Return mean 0 and variance 1 everywhere."""
        return {n.name: (torch.zeros(n.num_features), torch.ones(n.num_features)) for n in self._norms()}

    def _tell(self, normalisation: Normalisation) -> None:
        for norm in self._norms():
            norm.normalisation = normalisation

    def _norms(self) -> list[_ToldBatchNorm2d]:
        return [module for module in self.network.modules() if isinstance(module, _ToldBatchNorm2d)]

    def _tried(self, features: int) -> list[int]:
        """Run two blank images in training mode; return the output channels of every convolution that ran.

        Raises BaselineError where the network cannot, or gives anything but `features` numbers for each image.
        """
        name, (channels, height, width) = self.spec.model, self.spec.input_shape
        widths: list[int] = []
        convolutions = [module for module in self.network.modules() if isinstance(module, nn.Conv2d)]
        handles = [
            module.register_forward_hook(lambda module, *_: widths.append(int(module.out_channels)))
            for module in convolutions
        ]
        try:
            with torch.no_grad():
                given = self.network.train()(torch.zeros(2, channels, height, width))
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = " ".join(str(error).split())[:120]
            raise BaselineError(f"the baseline {name} cannot take images of {height}x{width}: {reason}") from error
        finally:
            for handle in handles:
                handle.remove()
        if not isinstance(given, Tensor) or given.shape != (2, features):
            raise BaselineError(f"the network {name} cannot be a baseline: it gives more than one classifier's logits")
        return widths


def create_baseline(
    name: str, classes: Sequence[str], input_shape: tuple[int, int, int], *, seed: int = 0, head: Head = "target"
) -> BaselineNetwork:
    """Return torchvision's classifier `name`, freshly initialised: same seed, same weights.

    Where images have one channel, the first convolution is made for one. Pretrained weights would be asked for in
    `_torchvision`. Raises BaselineError where there is no such network or it cannot take such images.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BaselineNetwork(BankSpec(name, tuple(classes), input_shape, head))


class _ToldBatchNorm2d(SlimmableBatchNorm2d):
    """A batch-norm that is told beforehand how to normalise, as torchvision's networks pass it images alone."""

    normalisation = Normalisation()

    def forward(self, input: Tensor, normalisation: Normalisation | None = None) -> Tensor:
        """Normalise [N, c, H, W] as was told."""
        return super().forward(input, normalisation or self.normalisation)


def _torchvision(name: str) -> nn.Module:
    """Return a network without pretrained weights; BaselineError where torchvision has none that will do."""
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        near = f"did you mean {' or '.join(close)}?" if close else "torchvision.models.list_models() has their names"
        raise BaselineError(f"torchvision has no classification network {name!r} to be a baseline; {near}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of initial weights that take long to draw
        network: nn.Module = torchvision.models.get_model(name, weights=None)
    if any("Attention" in type(module).__name__ for module in network.modules()):
        raise BaselineError(
            f"the network {name} cannot be a baseline: multiply-adds count convolutions and linear layers, and would "
            "leave out its attention"
        )
    return network


def _without_randomness(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, (nn.Dropout, torchvision.ops.StochasticDepth)):
            module.p = 0.0
    return network


def _take_off_classifier(network: nn.Module, name: str) -> int:
    """Replace the last linear layer by nothing and return how many numbers it read."""
    linear = [(path, module) for path, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise BaselineError(f"the network {name} cannot be a baseline: it has no linear classifier to replace")
    path, last = linear[-1]
    _put(network, path, nn.Identity())
    return last.in_features


def _take_channels(network: nn.Module, channels: int) -> None:
    """Make the first convolution read images of so many channels, with new weights where that is a change."""
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    if first.in_channels != channels:
        first.in_channels = channels
        first.weight = nn.Parameter(torch.empty(first.out_channels, channels, *first.kernel_size))
        first.reset_parameters()


def _told(norm: nn.BatchNorm2d, path: str) -> _ToldBatchNorm2d:
    told = _ToldBatchNorm2d(norm.num_features, eps=norm.eps)
    told.load_state_dict(norm.state_dict())
    told.name = path
    return told


def _replace(network: nn.Module, kind: type[Module], make: Callable[[Module, str], nn.Module]) -> None:
    for path, module in list(network.named_modules()):
        if isinstance(module, kind):
            _put(network, path, make(module, path))


def _put(network: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, module)
