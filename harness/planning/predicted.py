"""The costs of any subnet in one configuration, from what a run kept of it: the models, fitted again."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.bank import Architecture
from harness.costs import (
    ComplexityCounter,
    CostModel,
    KeptCosts,
    LayerTable,
    LinearModel,
    Prediction,
    TooFewFigures,
    fit_energy,
    fit_memory,
)
from harness.profiling import COST_NAMES
from harness.report import PlannedAnswer, Row
from harness.results import DeviceResults
from harness.running import Configuration
from harness.search import (
    ENERGY,
    LATENCY,
    MEMORY,
    MODEL_SIZE,
    Budget,
    BudgetError,
    Cost,
    Kind,
    Selection,
    split_feasible,
)
from harness.space import arch_id, decode, encode

#: The smallest subnet is among the measured ones; what is predicted to take less than this share of the fastest of them
#: shows that the model fails there.
BELIEVED = 0.5


@dataclass(frozen=True)
class PredictedCosts:
    """What subnets cost in one configuration, by prediction, and how far the predictions were off."""

    configuration: Configuration
    kept: KeptCosts
    latency: CostModel
    linear: Mapping[Kind, LinearModel]
    """Of memory and energy, what there is."""
    counter: ComplexityCounter
    known: Mapping[Kind, Cost]
    """Every cost that can be predicted; NaN where a prediction cannot be believed."""
    fastest_ms: float
    """Of the networks measured."""

    @classmethod
    def of(
        cls,
        configuration: Configuration,
        kept: KeptCosts,
        counter: ComplexityCounter,
        table: LayerTable,
        rows: Iterable[Row],
    ) -> PredictedCosts:
        """Fit again; memory and energy that were not limited are fitted to what `rows` have of them, if that is enough.

        Raises KeptCostsError where what was kept is not of this bank.
        """
        latency = kept.latency_model(table)
        own = [row for row in rows if _is_of(row, configuration, kept)]
        memory = kept.memory_model(counter) or _fitted(MEMORY, own, counter, latency, kept.batch_size)
        energy = kept.energy_model(counter, latency.predict_ms) or _fitted(
            ENERGY, own, counter, latency, kept.batch_size
        )
        results = DeviceResults(
            configuration.profile,
            configuration.precision,
            None,
            configuration.budgets,
            configuration.batch_size,
            latency_model=latency,
            model_size=kept.size_model(counter),
            memory_model=memory,
            energy_model=energy,
        )
        linear = {kind: model for kind, model in ((MEMORY, memory), (ENERGY, energy)) if model}
        fastest_ms = kept.anchor_ms * min(network.ratio for network in kept.networks)

        def believed_ms(arch: Architecture) -> float:
            predicted = _believed(latency.predict(arch), fastest_ms)
            return predicted.ms if predicted else math.nan

        known: dict[Kind, Cost] = {**results.costs(counter), LATENCY: functools.cache(believed_ms)}
        return cls(configuration, kept, latency, linear, counter, known, fastest_ms)

    def answerable(self, measuring: str) -> tuple[list[Budget], list[Exception]]:
        """Return the budgets that a subnet can be sought for, and for the others why not.

        Either a cost is not predicted - `measuring` is the command that would measure it - or no network that was
        measured is as fast.
        """
        unknown = {kind for budget in self.configuration.budgets for kind in budget.kinds} - set(self.known)
        refused: list[Exception] = [
            BudgetError(
                f"{kind.option} cannot be answered for {self.configuration.name} without the device: the run has no "
                f"model of {COST_NAMES[kind]}; measure it with: {measuring}"
            )
            for kind in COST_NAMES
            if kind in unknown
        ]
        left = [budget for budget in self.configuration.budgets if not unknown & set(budget.kinds)]
        words = {LATENCY: f"the fastest subnet measured on {self.configuration.name}"}
        possible, misses = split_feasible(left, {LATENCY: self.fastest_ms}, words)
        return possible, [*refused, *misses]

    def answer(self, selection: Selection) -> PlannedAnswer:
        """Return what is told of a budget's subnet."""
        arch, budget = selection.best.arch, selection.budget
        predicted = _believed(self.latency.predict(arch), self.fastest_ms)
        limits = [limit.value for limit in budget.limits if limit.kind == LATENCY]
        return PlannedAnswer(
            budget=budget.label,
            arch_id=arch_id(self.counter.space.model, arch),
            widths=encode(arch),
            macs=self.counter.macs(arch),
            upem=selection.best.upem,
            predicted_ms=predicted.ms if predicted else None,
            predicted_low_ms=predicted.low_ms if predicted else None,
            predicted_high_ms=predicted.high_ms if predicted else None,
            interval_within=predicted.high_ms <= min(limits) if predicted and limits else None,
            predicted_memory_mb=self._predicted(MEMORY, selection),
            predicted_model_mb=self._predicted(MODEL_SIZE, selection),
            predicted_energy_mj=self._predicted(ENERGY, selection),
        )

    @property
    def about(self) -> dict[str, Any]:
        """What `--json` says of the configuration."""
        return {
            "device": self.configuration.profile.name,
            "precision": self.configuration.precision,
            "batch_size": self.configuration.batch_size,
            "cost_source": "predicted",
        }

    @property
    def title(self) -> Sequence[str]:
        """What the configuration is called, and what was measured on."""
        device = self.kept.device
        threads = device.get("threads")
        return [
            self.configuration.name,
            f"{device.get('engine')} {device.get('engine_version')}",
            f"{threads} thread{'s' if threads != 1 else ''}",
            "predicted",
        ]

    @property
    def notes(self) -> list[str]:
        """How far the predictions were off, and what UPEM is of."""
        off = self.kept.held_out
        lines = [f"latency: {off.mean:.1%} off on average, on {off.count} networks measured after the fit"]
        lines += [
            f"{COST_NAMES[kind]}: {model.median_error:.1%} off in the median, on subnets left out of the fit"
            for kind, model in self.linear.items()
        ]
        if self.configuration.precision != "fp32":
            lines.append(f"UPEM is of float32, before {self.configuration.precision}")
        return lines

    def _predicted(self, kind: Kind, selection: Selection) -> float | None:
        cost = self.known.get(kind)
        return cost(selection.best.arch) if cost else None


def _believed(predicted: Prediction, fastest_ms: float) -> Prediction | None:
    return predicted if predicted.ms >= BELIEVED * fastest_ms and math.isfinite(predicted.high_ms) else None


def _is_of(row: Row, configuration: Configuration, kept: KeptCosts) -> bool:
    """Say whether a row is of a configuration, as it was when its costs were kept."""
    same = (row.device, row.precision, row.batch_size, row.engine, row.threads)
    return same == (
        *(configuration.profile.name, configuration.precision, configuration.batch_size),
        *(kept.device.get("engine"), kept.device.get("threads")),
    )


def _fitted(
    kind: Kind, rows: Iterable[Row], counter: ComplexityCounter, latency: CostModel, batch_size: int
) -> LinearModel | None:
    figures = {
        decode(row.widths): figure
        for row in rows
        if (figure := row.peak_memory_mb if kind == MEMORY else row.energy_mj)
    }
    try:
        if kind == MEMORY:
            return fit_memory(counter, list(figures), list(figures.values()), batch_size)
        return fit_energy(counter, latency.predict_ms, list(figures), list(figures.values()), batch_size)
    except TooFewFigures:
        return None
