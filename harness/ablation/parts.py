"""What is measured of a trained variant, as it is kept: a file for each, refused where it is of other settings."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.ablation.errors import AblationError
from harness.ablation.experiments import PartName
from harness.ablation.network import Network
from harness.ablation.plan import Plan
from harness.ablation.variants import Variant
from harness.adaptation import AdaptationSettings
from harness.files import write_whole
from harness.report.ablation import CheckpointAccuracy, FoundSubnet, Outcome, Scored, ScoredEveryWay


class Part(BaseModel):
    """What all parts say: the settings of the training, its network, the digest of its data, and the machine."""

    model_config = ConfigDict(extra="forbid")

    settings: AdaptationSettings
    digest: str
    network: Network = Network()
    machine: str = ""


class Cell(Part):
    """Target accuracy of one task, seed and variant at every budget."""

    model_config = ConfigDict(extra="ignore")  # older cells hold what is now a CorrelationPart

    warnings: list[str]
    outcomes: list[Outcome]


class CorrelationPart(Part):
    """UPEM of random subnets at some budgets, and their accuracy."""

    scored: list[Scored]


class UpemPart(Part):
    """UPEM of random subnets in all its forms, and their accuracy."""

    scored: list[ScoredEveryWay]


class SearchPart(Part):
    """What each way of searching found within each budget."""

    evaluations: int
    score_images: int
    found: list[FoundSubnet]


class ConvergencePart(Part):
    """The loss of every iteration, and target accuracy at the checkpoints."""

    losses: list[float]
    points: list[CheckpointAccuracy]


MODELS: dict[PartName, type[Part]] = {
    "accuracy": Cell,
    "correlation": CorrelationPart,
    "upem": UpemPart,
    "search": SearchPart,
    "convergence": ConvergencePart,
}
P = TypeVar("P", bound=Part)


def write_part(path: Path, part: Part) -> None:
    """Keep a part; it appears whole or not at all."""
    write_whole(path, part.model_dump_json(indent=1).encode())


def read_part(plan: Plan, task: str, seed: int, variant: Variant, name: PartName, model: type[P]) -> P:
    """Return a finished part; AblationError where it is of other settings or not readable."""
    path = plan.part_path(task, seed, variant, name)
    try:
        part = model.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise AblationError(f"{path} is not a result of the ablation: {' '.join(str(error).split())[:200]}") from error
    if part.settings != variant.settings(plan.settings, seed) or not _searched_alike(plan, part):
        raise AblationError(f"{path} was made with other settings; choose another --run")
    if part.network != plan.network:
        raise AblationError(f"{path} was made with another --model, --image-size or --weights; choose another --run")
    return part


def _searched_alike(plan: Plan, part: Part) -> bool:
    if not isinstance(part, SearchPart):
        return True
    return (part.evaluations, part.score_images) == (plan.evaluations, plan.score_images)
