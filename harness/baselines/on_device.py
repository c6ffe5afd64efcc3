"""Baselines on one connected device: exported, checked and measured as finalists are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from devices import Device
from harness.baselines.adapting import Contender, baseline_settings
from harness.deployment import CHECK_IMAGES, check_images, compared, write
from harness.export import ExportError, ExportMismatch, PrecisionError, traced, verify_module
from harness.measuring import Measurement, Subject
from harness.results import BaselineResult, DeviceResults
from harness.running import Run


def export_baselines(
    run: Run, device: Device, results: DeviceResults, baselines: Sequence[Contender], folder: Path
) -> dict[str, Subject]:
    """Write the baselines and compare the device's answers with theirs; return what can be measured, by arch_id.

    One that cannot be exported, or not in this precision, costs only itself: `results` has the reason.
    """
    results.baselines = [_unmeasured(contender) for contender in baselines]
    subjects: dict[str, Subject] = {}
    for contender, found in zip(baselines, results.baselines, strict=True):
        if found.problem:
            continue
        try:
            with run.workstation:
                subject = _exported(run, device, results, contender, folder)
        except (ExportError, ExportMismatch, PrecisionError) as problem:
            found.problem = str(problem)
            run.note(type(problem)(f"baseline {found.name} on {results.name}: {problem}"))
            continue
        subjects[found.arch_id], found.model_bytes = subject, subject.file.stat().st_size
    if subjects:
        _check(run, device, results, {c.baseline.arch_id: c for c in baselines}, subjects)
    return subjects


def take_measured(results: DeviceResults, found: Mapping[str, Measurement]) -> None:
    """Take in what finalists' processes measured of the baselines, by arch_id."""
    for baseline in results.baselines:
        if measurement := found.get(baseline.arch_id):
            baseline.measurement = measurement
            results.measurements.append(measurement)


def _unmeasured(contender: Contender) -> BaselineResult:
    baseline = contender.baseline
    return BaselineResult(
        name=baseline.name,
        arch_id=baseline.arch_id,
        widths=baseline.widths,
        macs=contender.macs,
        params=baseline.params,
        problem=contender.problem,
    )


def _exported(run: Run, device: Device, results: DeviceResults, contender: Contender, folder: Path) -> Subject:
    """Write a baseline as it is deployed; its float32 form is compared with PyTorch on this machine first."""
    baseline, domains = contender.baseline, run.domains
    about = {
        "preprocessing": domains.preprocessing.to_json(),
        "precision": results.precision,
        **run.provenance,
        "method": baseline_settings(run.settings).method,
    }
    metadata = {**about, **baseline.metadata}
    model = traced(baseline.module, baseline.spec.input_shape, metadata, results.batch_size)
    verify_module(model, baseline.module, domains.target[:CHECK_IMAGES], baseline.name)
    return write(
        model,
        domains.calibration,
        baseline.arch_id,
        folder,
        results.precision,
        results.batch_size,
        for_tensorrt=device.describe().by_tensorrt or run.for_tensorrt(results.precision),
    )


def _check(
    run: Run,
    device: Device,
    results: DeviceResults,
    contenders: Mapping[str, Contender],
    subjects: Mapping[str, Subject],
) -> None:
    """Compare what the engine on the device answers with what PyTorch answers here."""
    images = check_images(run.domains, device, run.settings.effort.score_images)

    @torch.no_grad()
    def expected(arch_id: str) -> Tensor:
        module = contenders[arch_id].baseline.module
        return torch.cat([module(part) for part in torch.split(images, CHECK_IMAGES)])

    with run.console.stage(f"checking baselines of {results.name}") as advance:
        answers = compared(device, subjects, images, expected, None, advance)
    for found in results.baselines:
        found.answers = answers.get(found.arch_id)
        if doubt := found.doubt(results.precision):
            run.console.warn(f"baseline {found.name} on {results.name}: {doubt}")
