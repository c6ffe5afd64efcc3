"""An adapted baseline, and how it is kept: weights.safetensors and baseline.json, never pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from harness.bank.baseline import BaselineError, BaselineNetwork, create_baseline
from harness.bank.heads import Head
from harness.bank.layers import Statistics
from harness.bank.model_bank import BankSpec
from harness.bank.state_dicts import misfit
from harness.bank.storage import Extent
from harness.clauses import complaint, one_line
from harness.files import whole, write_whole
from harness.space import Architecture, arch_id, encode

WEIGHTS, DESCRIPTION = "weights.safetensors", "baseline.json"


@dataclass(frozen=True, eq=False)
class Baseline:
    """A network as it is deployed: plain, in evaluation mode, with its batch-norm statistics on the target."""

    spec: BankSpec
    widths: Architecture
    """Output channels of its convolutions in forward order."""
    module: nn.Sequential
    """Images [N, C, H, W] to logits [N, classes]."""

    @classmethod
    def of(cls, network: BaselineNetwork, statistics: Statistics | None = None) -> Baseline:
        """Return a trained network with statistics, or the shape of one without."""
        widths = network.space.full
        statistics = network.neutral_statistics(widths) if statistics is None else statistics
        return cls(network.spec, widths, network.cut(widths, statistics))

    @property
    def name(self) -> str:
        """What torchvision calls it."""
        return self.spec.model

    @property
    def arch_id(self) -> str:
        """What its rows and files are found by."""
        return arch_id(self.name, self.widths)

    @property
    def metadata(self) -> dict[str, str]:
        """What an exported file says of itself, as a subnet's does."""
        widths, classes = encode(self.widths), json.dumps(self.spec.classes)
        return {"model": self.name, "widths": widths, "arch_id": self.arch_id, "classes": classes}

    @property
    def params(self) -> int:
        """Weights and biases of the deployed graph: folded, a batch-norm leaves its convolution a bias and no more."""
        folded = sum(m.num_features for m in self.module.modules() if isinstance(m, nn.BatchNorm2d))
        return sum(parameter.numel() for parameter in self.module.parameters()) - folded


class BaselineFile(BaseModel):
    """The contents of baseline.json. `about` is free for the caller: adaptation, data, preprocessing."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    model: str
    widths: str
    classes: tuple[str, ...]
    input_shape: tuple[Extent, Extent, Extent]
    head: Head
    about: dict[str, Any]


def has_baseline(folder: Path) -> bool:
    """Say whether a whole baseline was saved in `folder`."""
    return (folder / DESCRIPTION).exists()


def save_baseline(baseline: Baseline, folder: Path, about: dict[str, Any]) -> None:
    """Write a baseline into `folder`; each file appears whole or not at all, the description last."""
    spec = baseline.spec
    description = BaselineFile(
        model=spec.model,
        widths=encode(baseline.widths),
        classes=spec.classes,
        input_shape=spec.input_shape,
        head=spec.head,
        about=about,
    )
    with whole(folder / WEIGHTS) as partial:
        save_file({name: value.contiguous() for name, value in baseline.module.state_dict().items()}, partial)
    write_whole(folder / DESCRIPTION, f"{json.dumps(description.model_dump(), indent=2)}\n".encode())


def load_baseline(folder: Path) -> Baseline:
    """Return the baseline in `folder`; BaselineError says what is wrong in one sentence."""
    try:
        found = BaselineFile.model_validate_json((folder / DESCRIPTION).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS)
        with torch.device("meta"):  # no memory is taken for what the description claims
            baseline = Baseline.of(create_baseline(found.model, found.classes, found.input_shape, head=found.head))
        if problem := misfit(weights, baseline.module.state_dict()):
            raise BaselineError(f"the weights in {folder} do not fit {found.model}: {one_line(problem, 200)}")
        baseline.module.load_state_dict(weights, assign=True)
    except (OSError, ValidationError, UnicodeDecodeError, SafetensorError, RuntimeError) as error:
        raise BaselineError(f"the baseline in {folder} cannot be read: {complaint(error)}") from error
    baseline.module.float()
    return baseline
