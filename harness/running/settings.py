"""What a run was asked to do: every argument, validated, as it is kept in run.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from devices import Precision
from harness.adaptation import AdaptationSettings, TrainDevice, TrainPrecision
from harness.bank import known_model
from harness.search import Anchor, Norm


def listed(text: str) -> tuple[str, ...]:
    """Read a comma list such as that of `--device`."""
    return tuple(name.strip() for name in text.split(","))


def _alternatives(given: object) -> object:
    """Read one number, a comma list of them, or a sequence."""
    if isinstance(given, str):
        return listed(given)
    return given if isinstance(given, (list, tuple)) else (given,)


def _once(numbers: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(numbers))


#: Images per inference: alternatives, each answered.
BatchSizes = Annotated[
    tuple[Annotated[int, Field(ge=1)], ...],
    Field(min_length=1),
    BeforeValidator(_alternatives),
    AfterValidator(_once),
]


#: Up to this many pixels, networks take microseconds, and a minute is enough to know a device.
SMALL_IMAGES = 32


class SearchEffort(BaseModel):
    """How much is measured and scored; the sizes of the default run fit two CPU cores."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    profiled: Annotated[int, Field(ge=8)] = 32
    """Networks that measuring begins with."""
    profile_seconds: Annotated[float, Field(gt=0)] | None = None
    """Time for measuring on each device before the search (default: by the size of the images)."""
    evaluations: Annotated[int, Field(ge=8)] = 400
    score_images: Annotated[int, Field(ge=16)] = 512
    halving: bool = False
    """Whether random and evolutionary search look at candidates on a part of the images first."""

    def seconds_for(self, input_shape: tuple[int, int, int]) -> float:
        """Return the time for measuring networks on images of this (channels, height, width)."""
        return self.profile_seconds or (60.0 if max(input_shape[1:]) <= SMALL_IMAGES else 300.0)


class ScoringSettings(BaseModel):
    """What UPEM is (METHOD section 5): anchor, norm, and the temperature both predictions are sharpened with."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    upem_anchor: Anchor = "full"
    upem_norm: Norm = "l2"
    upem_sharpening: Annotated[float, Field(gt=0)] | None = None


class RunSettings(BaseModel):
    """All arguments of a run. `source` and `target` None: the embedded digits."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    devices: tuple[str, ...] = ("cpu",)
    host: str | None = None
    model: Annotated[str, AfterValidator(known_model)] | None = None
    weights: str | None = None
    """`imagenet`, a file of weights, or the folder of a bank; None: random."""
    baselines: tuple[str, ...] = ()
    """Networks of torchvision to be adapted and measured beside the bank's subnets."""
    source: str | None = None
    """A data set or one of its domains by name, an image folder or an image list; so is `target`."""
    target: str | None = None
    data_root: Path | None = None
    download: bool = False
    workers: Annotated[int, Field(ge=0)] | None = None
    """Processes that decode images ahead of training (default: by the cores)."""
    image_size: Annotated[int, Field(ge=16)] | None = None
    budgets: str | None = None
    latency_ms: str | None = None
    memory_mb: str | None = None
    model_mb: str | None = None
    energy_mj: str | None = None
    precisions: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("fp32",)
    threads: Annotated[int, Field(ge=1)] | None = None
    batch_size: BatchSizes = (1,)
    estimate: bool = False
    """Costs from published figures, without the devices."""
    train_device: TrainDevice = "auto"
    train_precision: TrainPrecision = "auto"
    epochs: Annotated[float, Field(gt=0)] | None = None
    """Length of a pretraining in passes over the source; None: the source iterations."""
    tensorboard: bool = False
    adaptation: AdaptationSettings = AdaptationSettings()
    effort: SearchEffort = SearchEffort()
    scoring: ScoringSettings = ScoringSettings()
    quick: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> RunSettings:
        if (self.source is None) != (self.target is None):
            raise ValueError(
                "--source and --target belong together: labelled source images and unlabelled target images"
            )
        if self.host is not None and len(self.devices) > 1:
            raise ValueError(f"--host names the host of one device, and --device names {len(self.devices)}")
        return self

    @property
    def measured_baselines(self) -> tuple[str, ...]:
        """The baselines, each once; none where nothing is measured."""
        return () if self.estimate else tuple(dict.fromkeys(self.baselines))

    @property
    def pretraining(self) -> bool:
        """Whether it is `pretrain` that was asked for."""
        return self.adaptation.inplace_distillation

    @property
    def seed(self) -> int:
        """The seed of everything that is drawn."""
        return self.adaptation.seed


QUICK_EFFORT = SearchEffort(profiled=12, profile_seconds=8, evaluations=40, score_images=128)
QUICK_ITERATIONS = {"source_iterations": 30, "adaptation_iterations": 40, "batch_size": 32, "model_batch": 3}


def settings_from(options: Mapping[str, Any]) -> RunSettings:
    """Return the settings that command-line options ask for; what is absent or None takes its default.

    Raises pydantic's ValidationError. `quick` replaces defaults, not what was asked for.
    """
    given = {name: value for name, value in options.items() if value is not None}
    quick = given.get("quick", False)
    names = set(AdaptationSettings.model_fields) & set(given) - {"batch_size"}
    adaptation = {**(QUICK_ITERATIONS if quick else {}), **{name: given[name] for name in names}}
    if "train_batch_size" in given:
        adaptation["batch_size"] = given["train_batch_size"]
    own = {
        name: given[name] for name in set(RunSettings.model_fields) & set(given) - {"adaptation", "effort", "scoring"}
    }
    if "precision" in given:
        own["precisions"] = listed(given["precision"])
    if "baseline" in given:
        own["baselines"] = listed(given["baseline"])
    if "device" in given:
        own["devices"] = listed(given["device"])
    effort = (QUICK_EFFORT if quick else SearchEffort()).model_dump()
    effort |= {name: given[name] for name in ("profile_seconds", "halving") if name in given}
    scoring = {name: given[name] for name in set(ScoringSettings.model_fields) & set(given)}
    return RunSettings.model_validate({**own, "adaptation": adaptation, "effort": effort, "scoring": scoring})
