"""The rows of the trade-off: what is known of every architecture on one device, put side by side."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from devices import DeviceProfile, Fingerprint, Precision
from harness.bank import Architecture, ModelBank
from harness.costs import ComplexityCounter, CostModel, HeldOutError, LinearModel, ModelSize, Observations, Roofline
from harness.deployment import Answers
from harness.export import subnet_filename
from harness.measuring import (
    EnergyRecord,
    FurtherCosts,
    Measurement,
    MemoryRecord,
    PassRecord,
    SustainedRecord,
    within_budget,
)
from harness.report import Accuracy, Comparison, Row, series_name
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
from harness.space import arch_id, encode

#: Bytes in a megabyte, as memory and files are limited.
MEGABYTE = 1e6

#: Least share of images with the bank's class for a subnet to be selected: float32 and float16 differ from the bank by
#: rounding alone, int8 by what quantisation costs. Our choice.
LEAST_AGREEMENT: dict[Precision, float] = {"fp32": 0.98, "fp16": 0.98, "int8": 0.9}


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

    @property
    def name(self) -> str:
        """What the device in this precision, at this batch size, is called at the terminal."""
        return series_name(self.profile.name, self.precision, self.batch_size)

    @property
    def passes(self) -> list[PassRecord]:
        """All that was measured beside latency."""
        return [*self.memory.values(), *self.energy.values(), *self.sustained.values()]

    def doubt(self, arch: Architecture) -> str | None:
        """Say why the answers that the device gave for a subnet rule it out; None where they do not."""
        answers = self.answers.get(arch)
        if answers is None:
            return None
        if answers.agreement is None:
            return answers.problem
        if answers.agreement >= LEAST_AGREEMENT[self.precision]:
            return None
        return (
            f"the engine on the device names another class than the bank for {1 - answers.agreement:.0%} of "
            f"{answers.images} images"
        )

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


def rows_of(results: DeviceResults, bank: ModelBank, counter: ComplexityCounter) -> list[Row]:
    """Return one row for every subnet of the bank that was measured or scored on the device, costliest first."""
    archs = {arch for arch in (*results.measured, *results.upem) if bank.offers(arch)}
    model = bank.spec.model
    return [
        Row(**_identity(results), **_complexity(arch, model, counter), **_found(results, arch, counter))
        for arch in sorted(archs, key=lambda arch: (-counter.macs(arch), arch))
    ]


def with_accuracy(
    rows: Sequence[Row],
    of_widths: Callable[[str], Accuracy],
    of_file: Callable[[str], Accuracy | None],
    progress: Callable[[int, int], None],
) -> list[Row]:
    """Return the rows with target accuracy and its interval where they are known.

    In float32 it is the bank's (`of_widths`), where cost and UPEM are known or the subnet selected. In other precisions
    it is that of the exported file (`of_file`, by name; None where it is not there), which only selected subnets have.
    """
    known: dict[str, Accuracy | None] = {}
    filled = []
    for done, row in enumerate(rows, start=1):
        found: Accuracy | None = None
        known_to_cost = row.cost_source == "measured" and row.upem is not None
        if row.precision == "fp32" and (known_to_cost or row.selected == "yes"):
            found = known[row.widths] = known.get(row.widths) or of_widths(row.widths)
        elif row.precision != "fp32" and row.selected == "yes":
            name = subnet_filename(row.arch_id, row.precision, row.batch_size)
            found = known[name] = known.get(name) or of_file(name)
        if found:
            row = dataclasses.replace(
                row, target_accuracy=found.value, accuracy_ci_low=found.low, accuracy_ci_high=found.high
            )
        filled.append(row)
        progress(done, len(rows))
    return filled


def _identity(results: DeviceResults) -> dict[str, Any]:
    """Return what names the device and its settings; an estimate is of no engine, and of threads where they matter."""
    fingerprint, profile = results.fingerprint, results.profile
    common = {"device": profile.name, "precision": results.precision, "batch_size": results.batch_size}
    if fingerprint is None:
        return {**common, "threads": profile.threads if profile.hardware and profile.hardware.cores else None}
    return {
        **common,
        "engine": fingerprint.engine,
        "engine_version": fingerprint.engine_version,
        "power_mode": fingerprint.power_mode or None,
        "threads": fingerprint.threads,
    }


def _complexity(arch: Architecture, model: str, counter: ComplexityCounter) -> dict[str, Any]:
    macs = counter.macs(arch)
    return {
        "arch_id": arch_id(model, arch),
        "widths": encode(arch),
        "compute_fraction": counter.compute_fraction(arch),
        "macs": macs,
        "flops": 2 * macs,
        "params": counter.params(arch),
    }


def _found(results: DeviceResults, arch: Architecture, counter: ComplexityCounter) -> dict[str, Any]:
    measurement = results.measured.get(arch)
    predicted = results.predictor.predict_ms(arch) if results.predictor else None
    unmeasured = {"cost_source": ("estimated" if results.roofline else "predicted") if predicted else None}
    answers = results.answers.get(arch)
    budgets = [budget for budget in results.budgets if results.chosen.get(budget) == arch]
    return {
        "model_bytes": results.model_bytes.get(arch),
        "predicted_ms": predicted,
        "upem": results.deployed_upem(arch),
        "agreement": answers.agreement if answers else None,
        "chosen_by": results.found_by.get(arch),
        "budget": ";".join(budget.label for budget in budgets) or None,
        "selected": "yes" if budgets else "no",
        "within_budget": worst(results.verdict(b, arch, counter) for b in budgets) if budgets else None,
        **(_latency(measurement) if measurement else unmeasured),
        **_further(results, arch),
        **({"reason": doubt} if (doubt := results.doubt(arch)) else {}),
    }


def _further(results: DeviceResults, arch: Architecture) -> dict[str, Any]:
    memory, energy, steady = results.memory.get(arch), results.energy.get(arch), results.sustained.get(arch)
    return {
        "peak_memory_mb": memory.peak_mb if memory else None,
        "energy_mj": energy.energy_mj if energy else None,
        "sustained_p50_ms": steady.p50_ms if steady and steady.settled else None,
    }


def _latency(measurement: Measurement) -> dict[str, Any]:
    summary = measurement.summary
    about: dict[str, Any] = {"status": measurement.verdict, "reason": measurement.reason or None}
    if summary is None:
        return about
    return {
        **about,
        "cost_source": "measured",
        "host_p50_ms": summary.p50_ms,
        "host_ci_low_ms": summary.ci_low_ms,
        "host_ci_high_ms": summary.ci_high_ms,
        "host_p90_ms": summary.p90_ms,
        "host_p99_ms": summary.p99_ms,
        "compute_p50_ms": summary.compute_p50_ms,
        "first_ms": summary.first_ms,
        "samples": summary.samples,
        "rounds": summary.rounds,
        "processes": summary.processes,
        "throughput_ips": 1000.0 * measurement.subject.batch_size / summary.p50_ms,
    }
