"""Where a bank's weights start from: torchvision's ImageNet weights, a file of them, or another bank."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from harness.bank.importance import sort_channels
from harness.bank.model_bank import BankError, BankSpec, ModelBank
from harness.bank.models import BACKBONES
from harness.bank.standalone import StandaloneBank
from harness.bank.state_dicts import WeightsError, misfit, read_state_dict, state_digest
from harness.bank.storage import load_bank

#: What asks for torchvision's weights instead of a file.
IMAGENET = "imagenet"

#: The first recipe's, which published domain adaptation starts from; the second has traded transfer for accuracy.
VERSION = "IMAGENET1K_V1"

RGB = 3


@dataclass(frozen=True)
class Start:
    """What a bank was started from, by name and by the sha256 of its weights, and what there is to say of it."""

    source: str
    sha256: str
    notes: tuple[str, ...]


def start_from(bank: ModelBank, weights: str) -> Start:
    """Give the bank weights to start from: `imagenet`, a file of torchvision's names, or the folder of another bank.

    Weights of a file were trained at one width, so their channels are sorted by importance; those of a bank keep the
    order that its subnets were trained in. Heads take over a classifier of the bank's own classes (of a file, which
    names none, of as many), and stay as they are otherwise. Raises BankError.
    """
    if _is_folder(weights):
        return _from_bank(bank, Path(weights))
    return _from_state_dict(bank, *_read(bank.spec.model, weights))


def weights_digest(model: str, weights: str) -> str:
    """Return the sha256 that `start_from` would tell of these weights. Raises BankError where they are not the model's.

    Their classes and channels, which depend on the images, are not looked at.
    """
    if _is_folder(weights):
        return state_digest(_other_bank(model, Path(weights)).state_dict())
    found, source = _read(model, weights)
    _trained(BankSpec(model, ("0", "1"), (RGB, 16, 16)), found, source)
    return state_digest(found)


def _is_folder(weights: str) -> bool:
    return weights != IMAGENET and Path(weights).is_dir()


def _read(model: str, weights: str) -> tuple[dict[str, Tensor], str]:
    """Return a state dict and what to call it."""
    if weights == IMAGENET:
        return _imagenet(model), f"torchvision's ImageNet weights ({VERSION})"
    path = Path(weights)
    try:
        return read_state_dict(path), str(path)
    except WeightsError as error:
        raise BankError(str(error)) from error


def _from_state_dict(bank: ModelBank, weights: dict[str, Tensor], source: str) -> Start:
    trained = _trained(bank.spec, weights, source)
    sort_channels(trained)
    count = len(trained.spec.classes)
    if count == len(bank.spec.classes):
        heads = f"the heads start as its classifier of {count} classes"
    else:
        heads = f"the heads start anew, as its classifier is for {count} classes and not {len(bank.spec.classes)}"
    notes = _hand_over(trained, bank, heads=count == len(bank.spec.classes))
    return Start(
        source, state_digest(weights), (f"starting from {source}, channels sorted by importance", heads, *notes)
    )


def _from_bank(bank: ModelBank, folder: Path) -> Start:
    other = _other_bank(bank.spec.model, folder)
    same = other.spec.classes == bank.spec.classes
    heads = "the heads start as its own" if same else "the heads start anew, as its classes are others"
    notes = _hand_over(other, bank, heads=same)
    return Start(str(folder), state_digest(other.state_dict()), (f"starting from the bank in {folder}", heads, *notes))


def _other_bank(model: str, folder: Path) -> ModelBank:
    """Return the bank in a folder, where it is of that model and its subnets share their weights."""
    other, _ = load_bank(folder)
    if isinstance(other, StandaloneBank):
        raise BankError(f"the networks in {folder} were trained apart; a bank whose subnets share weights is needed")
    if other.spec.model != model:
        raise BankError(f"{folder} holds a {other.spec.model}, not a {model}; add --model {other.spec.model}")
    return other


def _imagenet(model: str) -> dict[str, Tensor]:
    from torchvision.models import get_model_weights

    try:
        weights = get_model_weights(model)[VERSION]
    except ValueError as error:
        raise BankError(f"there are no ImageNet weights of {model}; choose another --model") from error
    try:
        found: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise BankError(
            f"the ImageNet weights could not be downloaded ({' '.join(str(error).split())}); fetch {weights.url} "
            "where there is a network and give the file as --weights FILE"
        ) from error
    return found


def _trained(spec: BankSpec, weights: dict[str, Tensor], source: str) -> ModelBank:
    """Return the network that the weights are of, as a bank with their own classes."""
    try:
        with torch.device("meta"):
            _empty(spec, weights).refuse_foreign(weights)  # before memory is taken for what they claim
        trained = _empty(spec, weights)
        trained.load_torchvision(weights)
    except BankError as error:
        raise BankError(f"{source}: {error}{_advice(spec, weights)}") from error
    return trained


def _empty(spec: BankSpec, weights: dict[str, Tensor]) -> ModelBank:
    """Return a bank of a model for RGB images, with as many classes as the classifier in the weights has."""
    with torch.device("meta"):
        name = BACKBONES[spec.model](RGB).classifier_name
    classifier = weights.get(f"{name}.bias", torch.empty(0))
    classes = tuple(map(str, range(classifier.numel()))) if classifier.numel() > 1 else spec.classes
    with torch.random.fork_rng(devices=[]):
        return ModelBank(dataclasses.replace(spec, classes=classes, input_shape=(RGB, *spec.input_shape[1:])))


def _advice(spec: BankSpec, weights: dict[str, Tensor]) -> str:
    """Return what to do where the weights are of another network that is known."""
    if any(name.startswith("backbone.") for name in weights):
        return "; of a bank, give the folder"
    with torch.device("meta"):
        others = [_empty(dataclasses.replace(spec, model=model), weights) for model in BACKBONES]
    fitting = [bank.spec.model for bank in others if misfit(weights, bank.torchvision_state_dict()) is None]
    return f"; they fit --model {fitting[0]}" if fitting else ""


def _hand_over(trained: ModelBank, bank: ModelBank, *, heads: bool) -> tuple[str, ...]:
    """Copy the backbone, and the heads where they are wanted; return what there is to say."""
    weights, notes = dict(trained.backbone.state_dict()), []
    stem = bank.backbone.stem_name
    theirs, ours = trained.spec.input_shape[0], bank.spec.input_shape[0]
    if (theirs, ours) == (RGB, 1):  # a grey image in three equal channels gives what the summed filters do
        weights[stem] = weights[stem].sum(dim=1, keepdim=True)
        notes.append("the stem's filters are summed over red, green and blue, as the images are grey")
    elif theirs != ours:
        raise BankError(f"the weights are for images of {theirs} channels, and these have {ours}")
    bank.backbone.load_state_dict(weights)
    if heads:
        bank.heads.load_state_dict(trained.heads.state_dict())
    return tuple(notes)
