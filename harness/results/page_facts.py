"""What the page shows of a run beside its rows: layers, raw samples, the devices meanwhile, the environment, doubts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.bank import BankError, load_bank
from harness.measuring import Measured, ProcessRecord, Span, StoreError, read_measurements
from harness.report import Caution, Layer, Moment, ProcessSamples, Row, RunFacts, SubnetSamples, series_name
from harness.running import Record, RunFolder

_MS = 1e6

_FINGERPRINT = {
    "board": "Board",
    "cpu": "Processor",
    "machine": "Machine",
    "os_release": "System",
    "engine": "Engine",
    "engine_version": "Engine's version",
    "engine_options": "Engine's options",
    "power_mode": "Power mode",
    "threads": "Threads",
    "governor": "Governor",
    "physical_cores": "Physical cores",
    "logical_cores": "Logical cores",
    "gpu": "GPU",
    "gpu_driver": "GPU driver",
    "memory_mb": "Memory, MB",
    "python": "Python",
    "boot_id": "Boot",
}

_NAMELESS = (
    "measurements.sqlite is of an older version and does not say which subnet its raw samples are of.",
    "Charts of them are left out; search --measure on this run writes it anew.",
)


def run_facts(folder: RunFolder, rows: Sequence[Row], warnings: Iterable[str]) -> RunFacts:
    """Return what the run folder knows beside `rows`; `warnings` are those of the stages.

    Where its measurements cannot be read, or do not say what they are of, the page does without, and says so.
    """
    cautions = [*map(Caution, warnings), *_findings(folder.record), *map(Caution, folder.record.errors)]
    records: list[ProcessRecord] = []
    finalists: dict[Measured, list[ProcessRecord]] = {}
    if folder.measurements.exists():
        try:
            measured = read_measurements(folder.measurements)
            records, finalists = measured.records, measured.finalists()
            if measured.names is None:
                cautions.append(Caution(*_NAMELESS))
        except StoreError as error:
            cautions.append(Caution(str(error), "Charts of raw samples are left out; the figures are in tradeoff.csv."))
    return RunFacts(
        layers=_layers(folder),
        samples=_samples(rows, finalists),
        moments=_moments(records),
        environment=_environment(folder.record),
        cautions=cautions,
    )


def _layers(folder: RunFolder) -> list[Layer]:
    try:
        bank, _ = load_bank(folder.bank)
    except BankError:
        return []
    return [Layer(slot.name, slot.full) for slot in bank.space.slots]


def _findings(record: Record) -> list[Caution]:
    return [Caution(f"{device}: {finding}") for device, found in record.findings.items() for finding in found]


def _samples(rows: Sequence[Row], finalists: Mapping[Measured, Sequence[ProcessRecord]]) -> list[SubnetSamples]:
    """Return the finalists' samples of every selected subnet."""
    found = []
    for row in rows:
        if row.selected == "yes" and row.cost_source == "measured":
            own = finalists.get(Measured(row.device, row.precision, row.batch_size, row.arch_id), ())
            samples = [ProcessSamples(record.recorded_at, record.rounds_ns, record.anchor_ns) for record in own]
            found.append(SubnetSamples(row.device, row.precision, row.batch_size, row.arch_id, samples))
    return found


def _moments(records: Iterable[ProcessRecord]) -> dict[str, list[Moment]]:
    """Return the states of every series over time; what a process measured at once is one moment."""
    found: dict[str, dict[tuple[str, str], Moment]] = {}
    for record in records:
        if any(record.anchor_ns):
            series = series_name(record.fingerprint.device, record.precision, record.batch_size)
            together = (record.recorded_at, record.anchor_topology)
            found.setdefault(series, {}).setdefault(together, _moment(record))
    return {series: list(moments.values()) for series, moments in found.items()}


def _moment(record: ProcessRecord) -> Moment:
    anchor_ms, found = record.anchor_p50_ns / _MS, record.conditions
    if found is None:
        return Moment(record.recorded_at, anchor_ms, others_load=record.others_load)
    return Moment(
        record.recorded_at,
        anchor_ms,
        cpu_mhz=_ends(found.cpu_mhz),
        gpu_mhz=_ends(found.gpu_mhz),
        hottest_c=_ends(found.hottest_c),
        power_w=_ends(found.power_w or found.gpu_power_w),
        others_load=record.others_load,
    )


def _ends(span: Span | None) -> tuple[float, float] | None:
    return (span.lowest, span.highest) if span else None


def _environment(record: Record) -> dict[str, dict[str, str]]:
    method = record.arguments.adaptation.method
    run = {
        "Started": record.started,
        "Seed": str(record.seed),
        "Method": method,
        **{f"Data, {name}": text for name, text in record.data.items()},
        **{f"Weights, {name}": text for name, text in record.weights.items()},
    }
    stages = {stage: f"{seconds:.1f} s" for stage, seconds in record.seconds.items()}
    devices = {f"Device {name}": _fingerprint(found) for name, found in record.devices.items()}
    versions = {name: version for name, version in record.versions.items() if version}
    return {"Run": run, **devices, "Software": versions, "Time of the stages": stages}


def _fingerprint(found: Mapping[str, Any]) -> dict[str, str]:
    known = {words: found.get(name) for name, words in _FINGERPRINT.items()}
    return {words: _text(value) for words, value in known.items() if value not in (None, "")}


def _text(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)
