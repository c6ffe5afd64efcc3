"""The rows of the trade-off: what is known of every architecture on one device, put side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from devices import DeviceProfile, Fingerprint, Precision
from harness.bank import Architecture, ModelBank
from harness.costs import ComplexityCounter, LatencyModel, Roofline
from harness.deployment import Answers
from harness.export import subnet_filename
from harness.measuring import FurtherCosts, Measurement, within_budget
from harness.report import Accuracy, Row, series_name
from harness.search import COMPUTE, LATENCY, Budget, Candidate, ChosenBy
from harness.space import arch_id, encode

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
    measured: dict[Architecture, Measurement] = field(default_factory=dict)
    """The most that is known of each: finalists' fresh processes in place of exploring."""
    measurements: list[Measurement] = field(default_factory=list)
    """All that was measured, exploring included."""
    latency_model: LatencyModel | None = None
    """Fitted to what was measured."""
    roofline: Roofline | None = None
    """In place of measurements: estimates from published figures."""
    upem: dict[Architecture, float] = field(default_factory=dict)
    found_by: dict[Architecture, ChosenBy] = field(default_factory=dict)
    chosen: dict[Budget, Architecture] = field(default_factory=dict)
    answers: dict[Architecture, Answers] = field(default_factory=dict)
    """What the engine on the device answered, of the shortlist."""
    model_bytes: dict[Architecture, int] = field(default_factory=dict)
    further: dict[Architecture, FurtherCosts] = field(default_factory=dict)
    """Memory, energy and sustained latency of the chosen ones."""

    @property
    def name(self) -> str:
        """What the device in this precision is called at the terminal."""
        return series_name(self.profile.name, self.precision)

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

    @property
    def predictor(self) -> LatencyModel | Roofline | None:
        """What gives the latency of an architecture that was not measured."""
        return self.roofline or self.latency_model

    def verdict(self, budget: Budget, arch: Architecture, counter: ComplexityCounter) -> str:
        """Say whether an architecture keeps every limit of a budget: yes, borderline or no.

        A latency makes a `yes` only where it was measured: an estimate within the limit is borderline.
        """
        verdicts = []
        for limit in budget.limits:
            if limit.kind == COMPUTE:
                verdicts.append("yes" if counter.compute_fraction(arch) <= limit.value else "no")
            elif limit.kind == LATENCY and self.roofline:
                verdicts.append("borderline" if self.roofline.predict_ms(arch) <= limit.value else "no")
            elif limit.kind == LATENCY:
                measurement = self.measured.get(arch)
                verdicts.append(within_budget(measurement.summary if measurement else None, limit.value))
        return worst(verdicts)


def worst(verdicts: Iterable[str]) -> str:
    """Return the worst of yes, borderline and no."""
    return max(verdicts, key=("yes", "borderline", "no").index)


def rows_of(results: DeviceResults, bank: ModelBank, counter: ComplexityCounter, batch_size: int) -> list[Row]:
    """Return one row for every subnet of the bank that was measured or scored on the device, costliest first."""
    archs = {arch for arch in (*results.measured, *results.upem) if bank.offers(arch)}
    model = bank.spec.model
    return [
        Row(**_identity(results, batch_size), **_complexity(arch, model, counter), **_found(results, arch, counter))
        for arch in sorted(archs, key=lambda arch: (-counter.macs(arch), arch))
    ]


def with_accuracy(
    rows: Sequence[Row],
    of_widths: Callable[[str], Accuracy],
    of_file: Callable[[str], Accuracy | None],
    progress: Callable[[int, int], None],
) -> list[Row]:
    """Return the rows with target accuracy and its interval where they are known.

    In float32 it is the bank's (`of_widths`), where the cost was measured or the subnet selected. In other precisions
    it is that of the exported file (`of_file`, by name; None where it is not there), which only selected subnets have.
    """
    known: dict[str, Accuracy | None] = {}
    filled = []
    for done, row in enumerate(rows, start=1):
        found: Accuracy | None = None
        if row.precision == "fp32" and (row.cost_source == "measured" or row.selected == "yes"):
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


def _identity(results: DeviceResults, batch_size: int) -> dict[str, Any]:
    """Return what names the device and its settings; an estimate is of no engine, and of threads where they matter."""
    fingerprint, profile = results.fingerprint, results.profile
    common = {"device": profile.name, "precision": results.precision, "batch_size": batch_size}
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
        "upem": _upem(results, arch),
        "agreement": answers.agreement if answers else None,
        "chosen_by": results.found_by.get(arch),
        "budget": ";".join(budget.label for budget in budgets) or None,
        "selected": "yes" if budgets else "no",
        "within_budget": worst(results.verdict(b, arch, counter) for b in budgets) if budgets else None,
        **(_latency(measurement) if measurement else unmeasured),
        **_further(results.further.get(arch)),
        **({"reason": doubt} if (doubt := results.doubt(arch)) else {}),
    }


def _upem(results: DeviceResults, arch: Architecture) -> float | None:
    """Return the UPEM of a subnet as it is deployed: in float32 the bank's, else that of the device's own answers.

    A subnet that is answered wrongly has none: it must not lie on the front, however fast it is.
    """
    if results.doubt(arch):
        return None
    if results.precision == "fp32":
        return results.upem.get(arch)
    answers = results.answers.get(arch)
    return answers.upem if answers else None


def _further(costs: FurtherCosts | None) -> dict[str, Any]:
    if costs is None:
        return {}
    return {
        "peak_memory_mb": costs.memory.peak_mb,
        "energy_mj": costs.energy.energy_mj,
        "sustained_p50_ms": costs.sustained.p50_ms if costs.sustained and costs.sustained.settled else None,
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
