"""Everything found out about one device: what is known of every architecture, put side by side."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from devices import DeviceProfile, Fingerprint, Precision
from harness.bank import Architecture
from harness.costs import ComplexityCounter, CostModel, HeldOutError, LinearModel, ModelSize, Observations, Roofline
from harness.deployment import Answers
from harness.measuring import (
    EnergyRecord,
    FurtherCosts,
    Measurement,
    MemoryRecord,
    PassRecord,
    SustainedRecord,
    within_budget,
)
from harness.report import Comparison, series_name
from harness.results.baseline_result import BaselineResult
from harness.search import (
    COMPUTE,
    ENERGY,
    LATENCY,
    MEMORY,
    MODEL_SIZE,
    Budget,
    Candidate,
    ChosenBy,
    Cost,
    Kind,
    Limit,
)
from harness.space import arch_id

#: Bytes in a megabyte, as memory and files are limited.
MEGABYTE = 1e6


@dataclass
class DeviceResults:
    """Everything found out about one device, by architecture."""

    profile: DeviceProfile
    precision: Precision
    fingerprint: Fingerprint | None
    """None of a device that is not there (`roofline`)."""
    budgets: list[Budget]
    batch_size: int = 1
    measured: dict[Architecture, Measurement] = field(default_factory=dict)
    """The most that is known of each: finalists' fresh processes in place of exploring."""
    measurements: list[Measurement] = field(default_factory=list)
    """All that was measured, exploring included."""
    observations: Observations | None = None
    """What exploring measured of latency."""
    latency_model: CostModel | None = None
    """Fitted to them and, at the end, to the finalists too."""
    latency_error: HeldOutError | None = None
    """What the model of exploring alone is off by, on networks measured after the fit."""
    roofline: Roofline | None = None
    """In place of measurements: estimates from published figures."""
    model_size: ModelSize | None = None
    memory_model: LinearModel | None = None
    """Fitted to measured peaks, where memory is limited."""
    energy_model: LinearModel | None = None
    """Fitted to measured energies, where energy is limited."""
    upem: dict[Architecture, float] = field(default_factory=dict)
    found_by: dict[Architecture, ChosenBy | None] = field(default_factory=dict)
    chosen: dict[Budget, Architecture] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    """How much faster subnets are than those that multiply-adds alone choose."""
    answers: dict[Architecture, Answers] = field(default_factory=dict)
    """What the engine on the device answered, of the shortlist."""
    model_bytes: dict[Architecture, int] = field(default_factory=dict)
    memory: dict[Architecture, MemoryRecord] = field(default_factory=dict)
    """Of the chosen ones and, where memory is limited, of others; so is energy."""
    energy: dict[Architecture, EnergyRecord] = field(default_factory=dict)
    sustained: dict[Architecture, SustainedRecord] = field(default_factory=dict)
    baselines: list[BaselineResult] = field(default_factory=list)
    """Networks of other families, which were asked for by name."""

    @property
    def name(self) -> str:
        """What the device in this precision, at this batch size, is called at the terminal."""
        return series_name(self.profile.name, self.precision, self.batch_size)

    @property
    def passes(self) -> list[PassRecord]:
        """All that was measured beside latency."""
        beside = [record for found in self.baselines if found.costs for record in found.costs.records]
        return [*self.memory.values(), *self.energy.values(), *self.sustained.values(), *beside]

    def doubt(self, arch: Architecture) -> str | None:
        """Say why the answers that the device gave for a subnet rule it out; None where they do not."""
        answers = self.answers.get(arch)
        return answers.doubt(self.precision, "the bank") if answers else None

    def take_in(self, candidates: Sequence[Candidate], upem: Mapping[Architecture, float]) -> None:
        """Take in what a search scored; an architecture that several strategies found is the first one's."""
        self.upem = dict(upem)
        self.found_by = {candidate.arch: candidate.chosen_by for candidate in reversed(candidates)}

    def add(self, found: Mapping[Architecture, Measurement]) -> None:
        """Take in measurements, which say more than earlier ones."""
        self.measured |= found
        self.measurements += found.values()

    def add_further(self, arch: Architecture, costs: FurtherCosts) -> None:
        """Take in what a subnet was found to cost beside latency."""
        self.memory[arch], self.energy[arch] = costs.memory, costs.energy
        if costs.sustained:
            self.sustained[arch] = costs.sustained

    @property
    def predictor(self) -> CostModel | Roofline | None:
        """What gives the latency of an architecture that was not measured."""
        return self.roofline or self.latency_model

    def verdict(self, budget: Budget, arch: Architecture, counter: ComplexityCounter) -> str:
        """Say whether an architecture keeps every limit of a budget: yes, borderline or no.

        What has to be measured makes a `yes` only where it was: an estimate within the limit is borderline, and so is
        what could not be found out.
        """
        return worst(self._keeps(limit, arch, counter) for limit in budget.limits)

    def _keeps(self, limit: Limit, arch: Architecture, counter: ComplexityCounter) -> str:
        if limit.kind == LATENCY and self.roofline:
            return "borderline" if self.roofline.predict_ms(arch) <= limit.value else "no"
        if limit.kind == LATENCY:
            measurement = self.measured.get(arch)
            return within_budget(measurement.summary if measurement else None, limit.value)
        spent = self.spent(arch, counter)[limit.kind]
        if math.isnan(spent):
            return "borderline"
        return "yes" if spent <= limit.value else "no"

    def costs(self, counter: ComplexityCounter) -> dict[Kind, Cost]:
        """Return what is known of any architecture without measuring it: exactly, predicted or estimated.

        Each is computed once for an architecture, however many budgets ask for it.
        """
        found: dict[Kind, Cost] = {COMPUTE: counter.compute_fraction}
        if self.predictor:
            found[LATENCY] = self.predictor.predict_ms
        if size := self.model_size:
            found[MODEL_SIZE] = lambda arch: size.predict(arch) / MEGABYTE
        for kind, model in ((MEMORY, self.memory_model), (ENERGY, self.energy_model)):
            if model:
                found[kind] = model.predict
        return {kind: functools.cache(cost) for kind, cost in found.items()}

    def spent(self, arch: Architecture, counter: ComplexityCounter) -> dict[Kind, float]:
        """Return what an architecture was found to cost; what was not found out is NaN."""
        measurement = self.measured.get(arch)
        size = self.model_bytes.get(arch)
        known = {
            COMPUTE: counter.compute_fraction(arch),
            LATENCY: measurement.summary.p50_ms if measurement and measurement.summary else None,
            MODEL_SIZE: None if size is None else size / MEGABYTE,
            MEMORY: self.memory[arch].figure if arch in self.memory else None,
            ENERGY: self.energy[arch].figure if arch in self.energy else None,
        }
        return {kind: math.nan if cost is None else cost for kind, cost in known.items()}

    def unknown(self, budget: Budget, arch: Architecture) -> list[str]:
        """Return why limited costs of an architecture, which were looked for, could not be found out."""
        records: dict[Kind, PassRecord | None] = {MEMORY: self.memory.get(arch), ENERGY: self.energy.get(arch)}
        found = [records.get(kind) for kind in budget.kinds]
        return [record.reason for record in found if record and record.figure is None]

    def kept(self, model: str) -> list[str]:
        """Return the names, by arch_id, of the files that stay: what was chosen of a model, and baselines."""
        baselines = [found.arch_id for found in self.baselines if found.model_bytes]
        return [*(arch_id(model, arch) for arch in self.chosen.values()), *baselines]

    def deployed_upem(self, arch: Architecture) -> float | None:
        """Return the UPEM of a subnet as it is deployed: in float32 the bank's, else that of the device's own answers.

        A subnet that is answered wrongly has none: it must not lie on the front, however fast it is.
        """
        if self.doubt(arch):
            return None
        if self.precision == "fp32":
            return self.upem.get(arch)
        answers = self.answers.get(arch)
        return answers.upem if answers else None


def worst(verdicts: Iterable[str]) -> str:
    """Return the worst of yes, borderline and no."""
    return max(verdicts, key=("yes", "borderline", "no").index)
