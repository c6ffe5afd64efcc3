"""Save and load a bank: weights.safetensors and bank.json, never pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.bank.heads import Head
from harness.bank.model_bank import BankError, BankSpec, ModelBank
from harness.bank.standalone import StandaloneBank
from harness.bank.state_dicts import misfit
from harness.clauses import complaint, one_line
from harness.files import whole, write_whole
from harness.space import decode, encode

WEIGHTS, DESCRIPTION = "weights.safetensors", "bank.json"
Extent = Annotated[int, Field(ge=1, le=65_535)]


class BankFile(BaseModel):
    """The contents of bank.json. `about` is free for the caller: preprocessing, method, seed, provenance."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    model: str
    classes: tuple[str, ...]
    input_shape: tuple[Extent, Extent, Extent]
    head: Head
    standalone: Annotated[tuple[str, ...], Field(max_length=64)] | None = None
    """The widths that have a network of their own, where nothing is shared."""
    about: dict[str, Any]


def save_bank(bank: ModelBank, folder: Path, about: dict[str, Any]) -> None:
    """Write the bank into `folder`; each file appears whole or not at all, the description last."""
    spec = bank.spec
    description = BankFile(
        model=spec.model,
        classes=spec.classes,
        input_shape=spec.input_shape,
        head=spec.head,
        standalone=tuple(map(encode, bank.archs)) if isinstance(bank, StandaloneBank) else None,
        about=about,
    )
    with whole(folder / WEIGHTS) as partial:
        save_file({name: value.contiguous() for name, value in _weights(bank).items()}, partial)
    write_whole(folder / DESCRIPTION, f"{json.dumps(description.model_dump(), indent=2)}\n".encode())


def load_bank(folder: Path) -> tuple[ModelBank, dict[str, Any]]:
    """Return the bank in `folder` and what it says `about` itself; BankError says what is wrong in one sentence."""
    try:
        description = BankFile.model_validate_json((folder / DESCRIPTION).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise BankError(
            f"there is no model bank in {folder}: {Path(error.filename or WEIGHTS).name} is missing"
        ) from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise BankError(f"{folder / DESCRIPTION} is not a bank description: {complaint(error)}") from error
    except OSError as error:
        raise BankError(f"the model bank in {folder} cannot be read: {complaint(error)}") from error
    except SafetensorError as error:
        raise BankError(f"{folder / WEIGHTS} is not a weights file: {complaint(error)}") from error
    _refuse_misfits(description, weights, folder)
    bank = _empty(description, folder)
    _take_over(bank, weights)
    return bank, description.about


def _weights(bank: ModelBank) -> dict[str, Tensor]:
    """Return the weights by name; of networks that share none, each behind its widths."""
    if not isinstance(bank, StandaloneBank):
        return bank.state_dict()
    owned = {encode(arch): bank.weights_of(arch).state_dict() for arch in bank.archs}
    return {f"{widths}.{name}": value for widths, state in owned.items() for name, value in state.items()}


def _refuse_misfits(description: BankFile, weights: dict[str, Tensor], folder: Path) -> None:
    """Raise BankError where the weights are not the description's, before memory is taken for what it claims."""
    with torch.device("meta"):
        expected = _weights(_empty(description, folder))
    if problem := misfit(weights, expected):
        raise BankError(f"the weights in {folder} do not fit {description.model}: {one_line(problem, 200)}")


def _take_over(bank: ModelBank, weights: dict[str, Tensor]) -> None:
    """Do the reverse, with weights that fit."""
    if not isinstance(bank, StandaloneBank):
        bank.load_state_dict(weights)
        return
    known = {encode(arch): bank.weights_of(arch) for arch in bank.archs}
    owned: dict[str, dict[str, Tensor]] = {widths: {} for widths in known}
    for name, value in weights.items():
        widths, _, rest = name.partition(".")
        owned[widths][rest] = value
    for widths, network in known.items():
        network.load_state_dict(owned[widths])


def _empty(description: BankFile, folder: Path) -> ModelBank:
    spec = BankSpec(description.model, description.classes, description.input_shape, description.head)
    if description.standalone is None:
        return ModelBank(spec)
    try:
        return StandaloneBank(spec, map(decode, description.standalone))
    except ValueError as error:
        raise BankError(f"{folder / DESCRIPTION} is not a bank description: {complaint(error)}") from error
