"""Where training stands, on disk: weights, optimiser state and losses in one file that appears whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from harness.adaptation.settings import AdaptationSettings
from harness.bank import ModelBank
from harness.clauses import complaint
from harness.files import whole


class CheckpointError(ValueError):
    """A checkpoint that cannot be resumed from; the message says why in one sentence."""


@dataclass
class Stand:
    """How far a training is."""

    losses: list[float]
    """Of every step that was taken."""
    settled: AdaptationSettings
    """The settings, from the adaptation on with what they leave open until then."""


def save_checkpoint(
    path: Path,
    bank: ModelBank,
    optimiser: torch.optim.Optimizer,
    settings: AdaptationSettings,
    key: str,
    stand: Stand,
) -> None:
    """Write everything that resuming needs, on any device and in any number of processes.

    Randomness, the order of the images and the schedule follow from seed and step alone.
    """
    tensors = {f"bank.{name}": value.contiguous() for name, value in bank.state_dict().items()}
    tensors["losses"] = torch.tensor(stand.losses, dtype=torch.float64)
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value.contiguous() for name, value in state.items()}
    with whole(path) as partial:
        about = {"settings": settings.model_dump_json(), "settled": stand.settled.model_dump_json(), "key": key}
        save_file(tensors, partial, about)


def load_checkpoint(
    path: Path, bank: ModelBank, optimiser: torch.optim.Optimizer, settings: AdaptationSettings, key: str
) -> Stand:
    """Restore bank and optimiser and return where training stands: at its beginning, where there is no checkpoint.

    `key` says from what and on what is trained (initial weights, data, subnets). Raises CheckpointError where the
    checkpoint is of another training.
    """
    if not path.exists():
        return Stand([], settings)
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        same = AdaptationSettings.model_validate_json(about.get("settings", "")) == settings
        settled = AdaptationSettings.model_validate_json(about.get("settled", ""))
        if not same or about.get("key") != key:
            raise CheckpointError(
                f"{path} belongs to a training with other settings, data or initial weights; use a new run folder"
            )
        bank.load_state_dict(_below(tensors, "bank."))
        _restore(optimiser, _below(tensors, "optimiser."))
        return Stand(tensors["losses"].flatten().tolist(), settled)
    except CheckpointError:
        raise
    except (ValidationError, KeyError) as error:
        raise CheckpointError(
            f"{path} cannot be resumed from: it is not of a training that this version knows; use a new run folder"
        ) from error
    except (SafetensorError, RuntimeError, ValueError, OSError) as error:
        raise CheckpointError(f"{path} cannot be resumed from: {complaint(error)}") from error


def _restore(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
