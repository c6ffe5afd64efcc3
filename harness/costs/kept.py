"""What a run keeps of one device's costs, so that a what-if needs no device.

It is what the models were fitted to rather than the models: a fit takes a moment and gives the same model again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.clauses import complaint
from harness.costs.complexity import ComplexityCounter
from harness.costs.cost_model import CostModel, Observations
from harness.costs.energy_model import NAMES as ENERGY_PARTS
from harness.costs.energy_model import energy_features
from harness.costs.held_out import HeldOutError
from harness.costs.layer_costs import MeasuredLayer
from harness.costs.layer_kinds import LayerKind, LayerTable
from harness.costs.linear import Features, LinearModel
from harness.costs.memory_model import NAMES as MEMORY_PARTS
from harness.costs.memory_model import memory_features
from harness.costs.model_size import Form, ModelSize
from harness.space import Architecture, decode, encode

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class KeptCostsError(ValueError):
    """A file of costs that cannot be used; the message says why, and what helps, in one sentence."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}; search with --measure keeps new ones")


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeptLayer(_Kept):
    """A layer that was measured by itself, as a share of the full-width subnet's latency."""

    kind: LayerKind
    inputs: Count
    outputs: Count
    cost: Positive


class KeptNetwork(_Kept):
    """A whole network that was measured, as a share of the full-width subnet's latency."""

    widths: Annotated[str, Field(pattern=r"^[1-9][0-9]*(-[1-9][0-9]*)*$")]
    ratio: Positive


class KeptSize(_Kept):
    """What the size of a file is computed by."""

    form: Form
    rest: int


class KeptLinear(_Kept):
    """A fitted sum: the rate of each part, and relative errors on architectures that the fit has not seen."""

    rates: dict[str, NonNegative]
    median_error: NonNegative
    p90_error: NonNegative

    @classmethod
    def of(cls, model: LinearModel) -> KeptLinear:
        """Return what is kept of a fitted model."""
        rates = dict(zip(model.names, model.rates.tolist(), strict=True))
        return cls(rates=rates, median_error=model.median_error, p90_error=model.p90_error)

    def model(self, names: tuple[str, ...], features: Features) -> LinearModel:
        """Return the model again; `features` gives what an architecture has of each of the named parts."""
        if tuple(self.rates) != names:
            raise KeptCostsError(
                f"the costs that the run keeps have rates of {', '.join(self.rates)}, not of {', '.join(names)}"
            )
        rates = np.array([*self.rates.values()], np.float64)
        return LinearModel(tuple(self.rates), features, rates, self.median_error, self.p90_error)


class KeptCosts(_Kept):
    """Everything that predicts costs on one device, in one precision, at one batch size."""

    format: Literal[1] = 1
    device: dict[str, str | int]
    """What tells devices apart whose measurements must not be mixed (`device_key`)."""
    precision: str
    batch_size: Count
    anchor_ms: Positive
    """Of the full-width subnet."""
    layers: tuple[KeptLayer, ...]
    networks: tuple[KeptNetwork, ...]
    held_out: HeldOutError
    """What the model of latency is off by on networks measured after the fit."""
    macs_only: HeldOutError
    params_only: HeldOutError
    model_size: KeptSize
    memory: KeptLinear | None = None
    """Fitted where memory was limited; so is energy."""
    energy: KeptLinear | None = None

    @classmethod
    def of(
        cls,
        device: Mapping[str, str | int],
        precision: str,
        batch_size: int,
        *,
        seen: Observations,
        held_out: HeldOutError,
        macs_only: HeldOutError,
        params_only: HeldOutError,
        model_size: ModelSize,
        memory: LinearModel | None = None,
        energy: LinearModel | None = None,
    ) -> KeptCosts:
        """Return what is kept of what a device was measured for."""
        return cls(
            device=dict(device),
            precision=precision,
            batch_size=batch_size,
            anchor_ms=seen.anchor_ms,
            layers=tuple(KeptLayer(**layer._asdict()) for layer in seen.layers),
            networks=tuple(KeptNetwork(widths=encode(arch), ratio=ratio) for arch, ratio in seen.networks),
            held_out=held_out,
            macs_only=macs_only,
            params_only=params_only,
            model_size=KeptSize(form=model_size.form, rest=model_size.rest),
            memory=KeptLinear.of(memory) if memory else None,
            energy=KeptLinear.of(energy) if energy else None,
        )

    @classmethod
    def read(cls, path: Path) -> KeptCosts:
        """Return what a file holds; KeptCostsError where that cannot be read or is something else."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise KeptCostsError(f"{path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise KeptCostsError(f"{path} does not hold a device's costs: {complaint(error)}") from error

    def latency_model(self, table: LayerTable) -> CostModel:
        """Fit the model of latency again; KeptCostsError where what was measured is not of the table's bank."""
        layers = tuple(MeasuredLayer(own.kind, own.inputs, own.outputs, own.cost) for own in self.layers)
        try:
            networks = tuple((table.space.validate(decode(own.widths)), own.ratio) for own in self.networks)
            return CostModel(table, Observations(self.anchor_ms, layers, networks))
        except ValueError as error:
            raise KeptCostsError(f"the costs that the run keeps cannot be used with its bank: {error}") from error

    def size_model(self, counter: ComplexityCounter) -> ModelSize:
        """Return what gives the size of any subnet's file."""
        return ModelSize(counter, self.model_size.form, self.model_size.rest)

    def memory_model(self, counter: ComplexityCounter) -> LinearModel | None:
        """Return the model of peak memory, where one was fitted."""
        return self.memory.model(MEMORY_PARTS, memory_features(counter, self.batch_size)) if self.memory else None

    def energy_model(
        self, counter: ComplexityCounter, latency_ms: Callable[[Architecture], float]
    ) -> LinearModel | None:
        """Return the model of energy, where one was fitted."""
        return (
            self.energy.model(ENERGY_PARTS, energy_features(counter, latency_ms, self.batch_size))
            if self.energy
            else None
        )
