"""The costs of any subnet in one configuration, from what a run kept of it: the models, fitted again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.costs import (
    ComplexityCounter,
    CostModel,
    KeptCosts,
    LayerTable,
    LinearModel,
    TooFewFigures,
    fit_energy,
    fit_memory,
)
from harness.limited import NAMES
from harness.report import PlannedAnswer, Row
from harness.run import Configuration
from harness.search import ENERGY, LATENCY, MEMORY, MODEL_SIZE, Budget, BudgetError, Cost, Kind, Selection
from harness.space import arch_id, decode, encode
from harness.tradeoff import DeviceResults


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
    """Every cost that can be predicted."""

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
        return cls(configuration, kept, latency, linear, counter, results.costs(counter))

    def answerable(self, measuring: str) -> tuple[list[Budget], list[BudgetError]]:
        """Part the budgets into those whose costs are all predicted, and a reason for each cost that is not.

        `measuring` is the command that would measure it.
        """
        unknown = {kind for budget in self.configuration.budgets for kind in budget.kinds} - set(self.known)
        refused = [
            BudgetError(
                f"{kind.option} cannot be answered for {self.configuration.name} without the device: the run has no "
                f"model of {NAMES[kind]}; measure it with: {measuring}"
            )
            for kind in NAMES
            if kind in unknown
        ]
        return [budget for budget in self.configuration.budgets if not unknown & set(budget.kinds)], refused

    def answer(self, selection: Selection) -> PlannedAnswer:
        """Return what is told of a budget's subnet."""
        arch, budget = selection.best.arch, selection.budget
        predicted = self.latency.predict(arch)
        limits = [limit.value for limit in budget.limits if limit.kind == LATENCY]
        return PlannedAnswer(
            budget=budget.label,
            arch_id=arch_id(self.counter.space.model, arch),
            widths=encode(arch),
            macs=self.counter.macs(arch),
            upem=selection.best.upem,
            predicted_ms=predicted.ms,
            predicted_low_ms=predicted.low_ms,
            predicted_high_ms=predicted.high_ms,
            interval_within=predicted.high_ms <= min(limits) if limits else None,
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
            f"{NAMES[kind]}: {model.median_error:.1%} off in the median, on subnets left out of the fit"
            for kind, model in self.linear.items()
        ]
        if self.configuration.precision != "fp32":
            lines.append(f"UPEM is of float32, before {self.configuration.precision}")
        return lines

    def _predicted(self, kind: Kind, selection: Selection) -> float | None:
        cost = self.known.get(kind)
        return cost(selection.best.arch) if cost else None


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
