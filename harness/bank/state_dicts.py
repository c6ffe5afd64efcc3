"""State dicts from elsewhere: whether they fit, and the one that a file holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from harness.clauses import one_line

#: Where training scripts keep the state dict in a checkpoint (torchvision's own under `model`).
WRAPPERS = ("state_dict", "model")

#: What DataParallel and DistributedDataParallel put before every name.
PARALLEL = "module."


class WeightsError(ValueError):
    """A file that holds no usable weights; the message says why in one sentence."""


def misfit(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str | None:
    """Say which weight does not fit and what was expected, or return None where all do.

    Counters of batches, which weights from before PyTorch 0.4.1 lack, do not matter.
    """
    for name, value in expected.items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in given:
            return f"{name} is missing, expected with shape {list(value.shape)}"
        found = given[name]
        if found.shape != value.shape:
            return f"{name} has shape {list(found.shape)}, expected {list(value.shape)}"
        if not found.is_floating_point():
            return f"{name} holds {found.dtype}, expected floating-point numbers"
        if not found.isfinite().all():
            return f"{name} holds numbers that are not finite"
    unknown = next((name for name in given if name not in expected), None)
    return None if unknown is None else f"{one_line(unknown, 60) or repr('')} is there, which the network does not have"


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the state dict in a .pth, .pt or .safetensors file; nothing but tensors is ever unpickled.

    Raises WeightsError.
    """
    if not path.is_file():
        raise WeightsError(f"there is no weights file {path}")
    if path.suffix == ".safetensors":
        return _state_dict(_read_safetensors(path), path)
    if path.suffix in (".pth", ".pt"):
        return _state_dict(_read_pickled(path), path)
    raise WeightsError(f"{path} is no weights file: .pth, .pt and .safetensors can be read")


def state_digest(weights: Mapping[str, Tensor]) -> str:
    """Return the sha256 of names and values, whatever the file they came in."""
    found = hashlib.sha256()
    for name in sorted(weights):
        found.update(name.encode())
        found.update(weights[name].detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _read_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors: {_first_sentence(error)}") from error


def _read_pickled(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can make the unpickler raise anything
        if "GLOBAL" in str(error):
            raise WeightsError(
                f"{path} holds more than tensors, which is not loaded because it could run code; "
                "save the network's state_dict() alone"
            ) from error
        raise WeightsError(
            f"{path} cannot be read: it is damaged, cut short or no PyTorch file ({type(error).__name__})"
        ) from error


def _state_dict(found: Any, path: Path) -> dict[str, Tensor]:
    for wrapper in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping) or not found or not all(isinstance(value, Tensor) for value in found.values()):
        raise WeightsError(f"{path} holds no state dict: names with a tensor each were expected")
    return {str(name).removeprefix(PARALLEL): value for name, value in found.items()}


def _first_sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
