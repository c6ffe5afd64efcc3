"""The experiments: which variants each compares, and what is measured of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.ablation.errors import AblationError
from harness.ablation.variants import Variant, variant
from harness.adaptation import METHODS, Method

#: What is measured of a trained variant, each kept in a file of its own.
PartName = Literal["accuracy", "correlation", "upem", "search", "convergence"]


@dataclass(frozen=True)
class Experiment:
    """Variants that are compared, and the part of each that is reported."""

    name: str
    title: str
    variants: tuple[Variant, ...]
    part: PartName = "accuracy"
    reference: str | None = None
    """The label of the variant that the others are held against, paired by seed."""
    correlated: Variant | None = None
    """The variant of whose banks UPEM is held against accuracy too, where it is among them."""

    @property
    def wanted(self) -> tuple[tuple[Variant, PartName], ...]:
        """What is measured of each variant."""
        own: tuple[tuple[Variant, PartName], ...] = tuple((variant, self.part) for variant in self.variants)
        return (*own, (self.correlated, "correlation")) if self.correlated in self.variants else own


SLIMDA = variant("slimda")
CA_UNLABELLED = variant("slimda, Ca without source labels", adapted_head_on_source=False)
LADDER = Experiment(
    "ladder", "The ablation ladder", tuple(variant(method, method) for method in METHODS), correlated=SLIMDA
)

_ALL = (
    LADDER,
    Experiment(
        "confidence",
        "Confidence of the subnets in SEED's ensemble",
        tuple(variant(rule, confidence=rule) for rule in ("uniform", "capacity", "entropy")),
        reference="capacity",
    ),
    Experiment(
        "temperature",
        "Temperature that sharpens the ensemble's knowledge",
        tuple(variant(f"tau = {tau:g}", temperature=tau) for tau in (0.25, 0.5, 1.0)),
        reference="tau = 0.5",
    ),
    Experiment(
        "model-batch",
        "Subnets in a model batch (of the adaptation; all start from the same source iterations)",
        tuple(variant(f"m = {size}", model_batch=size) for size in (2, 4, 6, 8)),
        reference="m = 4",
    ),
    Experiment(
        "knowledge-weight",
        "Weight of the knowledge's loss, which ramps up with lambda but where it says constant",
        (
            *(variant(f"weight {weight:g}", knowledge_weight=weight) for weight in (0.5, 1.0, 2.0)),
            variant("weight 1, constant", knowledge_ramp=False),
        ),
        reference="weight 1",
    ),
    Experiment(
        "heads",
        "Who teaches, what is taught, and which heads learn it",
        (
            variant("symnet", "symnet"),
            variant("distill", "distill"),
            variant("seed", "seed"),
            SLIMDA,
            variant("slimda, Ct evaluated", head="target"),
            CA_UNLABELLED,
            variant("slimda, knowledge of all three heads", knowing_heads="all"),
            variant("slimda, Cs and Ct taught too", taught_heads="all"),
            variant("slimda, Cs and Ct taught too, Ct evaluated", head="target", taught_heads="all"),
            variant("slimda, largest teaches", teacher="largest"),
            variant("slimda, largest teaches, unsharpened", teacher="largest", temperature=1.0),
            variant(
                "slimda, largest teaches, unsharpened, Cs and Ct taught too",
                teacher="largest",
                temperature=1.0,
                taught_heads="all",
            ),
            variant("seed, largest teaches", "seed", teacher="largest"),
            variant("seed, unsharpened", "seed", temperature=1.0),
        ),
        reference="slimda",
    ),
    Experiment(
        "moving-heads",
        "Through which heads the knowledge moves the features",
        (
            variant("symnet", "symnet"),
            SLIMDA,
            variant("slimda, through Cs and Ct", moving_heads="confusion"),
            variant("slimda, none", moving_heads="none"),
        ),
        reference="slimda",
    ),
    Experiment(
        "adapted-head",
        "Whether the head that receives the knowledge learns the source labels too",
        (SLIMDA, CA_UNLABELLED),
        reference="slimda",
    ),
    Experiment(
        "entropy-weight",
        "Weight of SymNet's entropy loss on target images",
        (
            variant("slimda, weight 1", entropy_weight=1.0),
            variant("slimda, weight 0.1", entropy_weight=0.1),
            variant("slimda, without", entropy_weight=0.0),
            variant("symnet, weight 1", "symnet", entropy_weight=1.0),
            variant("symnet, without", "symnet", entropy_weight=0.0),
        ),
        reference="slimda, weight 1",
    ),
    Experiment("upem", "What UPEM is: norm, sharpening and anchor", (SLIMDA,), "upem"),
    Experiment("search", "Ways of searching by UPEM and multiply-adds", (SLIMDA,), "search"),
    Experiment("convergence", "The bank over the iterations", (variant("symnet", "symnet"), SLIMDA), "convergence"),
)
EXPERIMENTS = {experiment.name: experiment for experiment in _ALL}

#: The methods whose training leaves its bank on the way too.
TRACED = tuple(one.method for one in EXPERIMENTS["convergence"].variants)


def chosen_methods(names: Sequence[str] | None) -> tuple[Method, ...]:
    """Return the methods of these names, in the ladder's order; all where None. Raises AblationError."""
    unknown = set(names or ()) - set(METHODS)
    if unknown:
        raise AblationError(f"unknown method {', '.join(sorted(unknown))}; known: {', '.join(METHODS)}")
    wanted: Collection[str] = METHODS if names is None else names
    return tuple(method for method in METHODS if method in wanted)


def chosen_experiments(
    names: Sequence[str], methods: Sequence[str] | None = None, *, correlation: bool = True
) -> tuple[Experiment, ...]:
    """Return the experiments of these names, the ladder with these `methods` alone. Raises AblationError.

    Without `correlation` the ladder does not hold UPEM against accuracy.
    """
    unknown = [name for name in names if name not in EXPERIMENTS]
    if unknown:
        raise AblationError(f"unknown experiment {', '.join(unknown)}; known: {', '.join(EXPERIMENTS)}")
    if methods is not None and "ladder" not in names:
        raise AblationError("--methods restricts the ladder, which is not among --experiments")
    rungs = chosen_methods(methods)
    ladder = replace(
        LADDER,
        variants=tuple(one for one in LADDER.variants if one.method in rungs),
        correlated=LADDER.correlated if correlation else None,
    )
    return tuple(ladder if name == "ladder" else EXPERIMENTS[name] for name in dict.fromkeys(names))
