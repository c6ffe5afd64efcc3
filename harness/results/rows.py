"""The rows of the trade-off: everything found out about one device, a line for every network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from typing import Any

from harness.bank import Architecture, ModelBank
from harness.costs import ComplexityCounter
from harness.export import subnet_filename
from harness.measuring import EnergyRecord, Measurement, MemoryRecord, SustainedRecord
from harness.report import Accuracy, Row
from harness.results.baseline_result import BaselineResult
from harness.results.device_results import DeviceResults, worst
from harness.space import arch_id, encode


def rows_of(results: DeviceResults, bank: ModelBank, counter: ComplexityCounter) -> list[Row]:
    """Return one row for every subnet of the bank that was measured or scored on the device, costliest first."""
    archs = {arch for arch in (*results.measured, *results.upem) if bank.offers(arch)}
    model = bank.spec.model
    return [
        Row(**_identity(results), **_complexity(arch, model, counter), **_found(results, arch, counter))
        for arch in sorted(archs, key=lambda arch: (-counter.macs(arch), arch))
    ]


def baseline_rows(results: DeviceResults, counter: ComplexityCounter) -> list[Row]:
    """Return one row for every baseline that was asked for, in that order; `counter` is of the bank beside it.

    It has no UPEM, which compares subnets of one bank, and is not selected, which is for budgets.
    """
    full = counter.macs(counter.space.full)
    return [
        Row(**_identity(results), **_complexity_of(found, full), **_found_of(found, results))
        for found in results.baselines
    ]


def with_accuracy(
    rows: Sequence[Row],
    of_widths: Callable[[str], Accuracy],
    of_file: Callable[[str], Accuracy | None],
    progress: Callable[[int, int], None],
    baselines: Collection[str] = (),
) -> list[Row]:
    """Return the rows with target accuracy and its interval where they are known.

    In float32 it is the bank's (`of_widths`), where cost and UPEM are known or the subnet selected. In other precisions
    it is that of the exported file (`of_file`, by name; None where it is not there), which only selected subnets have
    and `baselines`, named by arch_id, in every precision.
    """
    known: dict[str, Accuracy | None] = {}
    filled = []
    for done, row in enumerate(rows, start=1):
        found: Accuracy | None = None
        known_to_cost = row.cost_source == "measured" and row.upem is not None
        if row.precision == "fp32" and (known_to_cost or row.selected == "yes"):
            found = known[row.widths] = known.get(row.widths) or of_widths(row.widths)
        elif row.arch_id in baselines or (row.precision != "fp32" and row.selected == "yes"):
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
        **_further(results.memory.get(arch), results.energy.get(arch), results.sustained.get(arch)),
        **({"reason": doubt} if (doubt := results.doubt(arch)) else {}),
    }


def _complexity_of(found: BaselineResult, full_macs: int) -> dict[str, Any]:
    return {
        "arch_id": found.arch_id,
        "widths": encode(found.widths),
        "compute_fraction": found.macs / full_macs,
        "macs": found.macs,
        "flops": 2 * found.macs,
        "params": found.params,
    }


def _found_of(found: BaselineResult, results: DeviceResults) -> dict[str, Any]:
    if found.problem or found.measurement is None:
        return {"status": "failed", "reason": found.problem or "it was not measured"}
    costs, doubt = found.costs, found.doubt(results.precision)
    return {
        "model_bytes": found.model_bytes,
        "agreement": found.answers.agreement if found.answers else None,
        **_latency(found.measurement),
        **(_further(costs.memory, costs.energy, costs.sustained) if costs else {}),
        **({"reason": doubt} if doubt else {}),
    }


def _further(
    memory: MemoryRecord | None, energy: EnergyRecord | None, steady: SustainedRecord | None
) -> dict[str, Any]:
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
