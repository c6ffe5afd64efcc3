"""The plan of an ablation, and where in its folder everything lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.ablation.experiments import Experiment, PartName
from harness.ablation.network import Network
from harness.ablation.variants import Variant
from harness.adaptation import AdaptationSettings, Hardware

BUDGETS = ("1", "1/2", "1/4", "1/8", "1/16", "1/32", "1/64")


def share(label: str) -> float:
    """Return the number that a budget's label stands for."""
    numerator, _, denominator = label.partition("/")
    return int(numerator) / int(denominator or 1)


@dataclass(frozen=True)
class Plan:
    """What to run; `settings` holds lengths and everything else that variants do not override."""

    tasks: tuple[str, ...]
    experiments: tuple[Experiment, ...]
    seeds: tuple[int, ...]
    settings: AdaptationSettings
    data_root: Path | None
    folder: Path
    evaluations: int = 400
    """Architectures that each way of searching may score."""
    score_images: int = 512
    """Images that they are scored on."""
    correlated: int = 36
    """Random architectures just below each budget with which UPEM is held against accuracy."""
    network: Network = field(default_factory=Network)
    hardware: Hardware = field(default_factory=Hardware)
    """What the banks are trained on; they are measured on the processor."""
    quick: bool = False
    """Whether the defaults are those of `--quick`."""

    @property
    def wanted(self) -> list[tuple[Variant, PartName]]:
        """What each task and seed has to give, everything once, whatever experiments it belongs to."""
        found = {
            (variant.cell(self.settings), part): (variant, part)
            for experiment in self.experiments
            for variant, part in experiment.wanted
        }
        return list(found.values())

    @property
    def units(self) -> list[tuple[str, int]]:
        """Tasks with seeds: what is run at the same time."""
        return [(task, seed) for task in self.tasks for seed in self.seeds]

    def part_path(self, task: str, seed: int, variant: Variant, part: PartName) -> Path:
        """Return the file of what was measured of a variant."""
        name = f"{task}-seed{seed}-{variant.cell(self.settings)}"
        return self.folder / "cells" / (f"{name}.json" if part == "accuracy" else f"{name}.{part}.json")

    def bank_path(self, images: str, seed: int, variant: Variant) -> Path:
        """Return the folder of a variant's trained bank; banks lie apart, because they are large.

        `images` is the name of what it is trained on: a task, or a source that several tasks may share.
        """
        return self.folder / "banks" / f"{images}-seed{seed}-{variant.training(self.settings)}"

    def source_path(self, source: str, seed: int) -> Path:
        """Return the folder of the bank after the source iterations, which all variants start from."""
        return self.folder / "banks" / f"{source}-seed{seed}-source"

    def checkpoints(self) -> Iterator[int]:
        """Yield after how many iterations of the method a traced bank is looked at, the ends included."""
        total = self.settings.adaptation_iterations
        yield from sorted({0, total // 8, total // 4, total // 2, 3 * total // 4, total})
