"""What can be set about adaptation, with the defaults that METHOD marks as our choice."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from harness.bank import Head

#: The ablation ladder (METHOD section 6).
Method = Literal["source-only", "standalone", "symnet", "distill", "seed", "slimda"]
METHODS: tuple[Method, ...] = get_args(Method)

Confidence = Literal["uniform", "capacity", "entropy"]

#: Whose belief is taught by `seed` and `slimda`; `distill` is always taught by the largest, unsharpened.
Teacher = Literal["ensemble", "largest"]

#: The head that is scored and deployed: the one that receives the method's target knowledge.
DEPLOYED_HEAD: dict[Method, Head] = {
    "source-only": "source",
    "standalone": "target",
    "symnet": "target",
    "distill": "target",
    "seed": "target",
    "slimda": "adapted",
}


class AdaptationSettings(BaseModel):
    """Everything that, with the data and the initial weights, determines the adapted weights."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Method = "slimda"
    seed: Annotated[int, Field(ge=0)] = 0
    source_iterations: Annotated[int, Field(ge=0)] = 200
    adaptation_iterations: Annotated[int, Field(ge=0)] = 400
    batch_size: Annotated[int, Field(ge=2)] = 64
    model_batch: Annotated[int, Field(ge=2)] = 4
    learning_rate: Annotated[float, Field(gt=0)] = 0.005
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    gradient_norm: Annotated[float, Field(gt=0)] = 5.0
    entropy_weight: Annotated[float, Field(ge=0)] | None = None
    """Weight of SymNet's L_em, the entropy of the target predictions, beside lambda; None: 1 where the source is learnt
    well enough to show that its classes lie apart, else 0 (`foresight`)."""
    temperature: Annotated[float, Field(gt=0)] = 0.5
    confidence: Confidence = "capacity"
    teacher: Teacher = "ensemble"
    knowing_heads: Literal["confusion", "all"] = "confusion"
    """Whose mean softmax a subnet's belief is: that of Cs and Ct, or of all three heads."""
    taught_heads: Literal["adapted", "all"] = "adapted"
    """Which heads learn the knowledge in `slimda`: Ca, or Cs and Ct too, which then move the features no further."""
    moving_heads: Literal["adapted", "confusion", "none"] = "adapted"
    """Through which heads the knowledge moves the features in `slimda`: Ca, which moves them by the source labels too;
    Cs and Ct, which stay as they are; or none. But for the first, Ca learns on detached features."""
    knowledge_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of L_seed, or of the distillation loss."""
    knowledge_ramp: bool = True
    """Whether that weight ramps up with lambda."""
    adapted_head_on_source: bool = True
    keep_graphs: bool = True
    inplace_distillation: bool = False
    """On source images, whether subnets learn what the largest predicts instead of labels (US-Nets, ICCV 2019)."""

    @property
    def iterations(self) -> int:
        """Source-only iterations and adaptation iterations together."""
        return self.source_iterations + self.adaptation_iterations
