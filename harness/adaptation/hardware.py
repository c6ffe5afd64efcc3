"""What a training runs on. It changes rounding and speed, not what is trained, so a training resumes on any other."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import torch

TrainDevice = Literal["auto", "cpu", "cuda"]
TrainPrecision = Literal["auto", "fp32", "bf16"]


class TrainingError(ValueError):
    """A training that this machine, or this number of processes, cannot do; the message is one sentence."""


@dataclass(frozen=True)
class Hardware:
    """The kind of device, and whether the backbone's convolutions run in bfloat16 (losses and weights never do)."""

    kind: Literal["cpu", "cuda"] = "cpu"
    bf16: bool = False

    @property
    def device(self) -> torch.device:
        """The device of this process: under torchrun each has a GPU of its own, elsewhere it is the current one."""
        if self.kind == "cpu":
            return torch.device("cpu")
        return torch.device("cuda", _variable("LOCAL_RANK", torch.cuda.current_device()))

    def __str__(self) -> str:
        """Return it in words, for a table's notes."""
        name = torch.cuda.get_device_name(self.device) if self.kind == "cuda" else "the processor"
        return f"{name}, convolutions in {'bfloat16' if self.bf16 else 'float32'}"


def find_hardware(device: TrainDevice = "auto", precision: TrainPrecision = "auto") -> Hardware:
    """Return what to train on: a GPU where there is one, with bfloat16 where it has it, unless asked otherwise.

    Raises TrainingError where the machine has not what was asked for.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cuda" and not gpus:
        raise TrainingError("--train-device cuda: PyTorch finds no GPU here; install its CUDA build, or train on cpu")
    if device == "cpu" or not gpus:
        return Hardware("cpu", precision == "bf16")
    count = _variable("LOCAL_WORLD_SIZE", 1)
    if count > gpus:
        raise TrainingError(
            f"torchrun started {count} processes here for {gpus} GPU(s), and each needs its own: "
            f"--nproc-per-node {gpus}, or --train-device cpu"
        )
    able = torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "bf16" and not able:
        raise TrainingError("--train-precision bf16: this GPU computes no bfloat16; leave the option out")
    return Hardware("cuda", able and precision != "fp32")


def _variable(name: str, default: int) -> int:
    return int(os.environ.get(name, default))
