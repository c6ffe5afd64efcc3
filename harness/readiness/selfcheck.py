"""Whether a device can give honest numbers now: guards, the null test, and published latencies where there are any."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from devices import DeviceError, DeviceProfile, EngineFailed, Fingerprint, Precision, PrecisionMissing, connect
from harness.bank import MODELS, ModelBank, create_bank
from harness.console import Console
from harness.export import PrecisionError, Template, in_precision, topology_key, write_subnet
from harness.measuring import MeasurementError, NullTest, Store, Subject, explore, fences, guards, null_test
from harness.space import arch_id

PAIRS, QUICK_PAIRS = 20, 6
#: Share of pairs that may differ by more than the tolerance before comparisons on the device are not believed.
FALSE_DIFFERENCES = 0.1
#: Classes of the networks that published latencies are of.
IMAGENET_CLASSES = 1000

#: What is found that makes numbers dishonest, not merely noisy.
GRAVE = (guards.SlowedDown, guards.NearTemperatureLimit, guards.OtherPowerMode)


class Fence(BaseModel):
    """A full-width network of torchvision's, measured, beside what others published of the same board."""

    model: str
    precision: str
    measured_ms: float
    published_ms: float
    source: str
    within: bool


class SelfCheck(BaseModel):
    """What the self-check of one device found."""

    device: str
    fingerprint: dict[str, Any]
    findings: tuple[tuple[str, str], ...]
    """What speaks against measuring now, and what to do about it."""
    unknown: dict[str, str]
    """What the device cannot tell, and why."""
    pairs: int
    p50_us: float
    ratio: float
    ratio_low: float
    ratio_high: float
    tolerance: float
    false_differences: float
    half_width: float
    """Of the 95% interval of the absolute latency over the null test's processes, as a share."""
    fences: tuple[Fence, ...]
    verdict: str
    """Empty where numbers can be believed; else why not, in one sentence."""


def selfcheck(
    profile: DeviceProfile, console: Console, store: Store, *, note: Callable[[Exception], None], quick: bool = False
) -> SelfCheck:
    """Check one device; `note` is given what costs a part of the check.

    Raises `DeviceError` and `MeasurementError` where it cannot be checked at all.
    """
    with connect(profile) as device, tempfile.TemporaryDirectory() as scratch:
        with console.stage(f"guards of {profile.name}"):
            fingerprint = device.describe()
            findings = guards.check(device)
        with console.stage(f"null test on {profile.name}") as advance:
            null = null_test(device, _small(Path(scratch)), pairs=QUICK_PAIRS if quick else PAIRS, progress=advance)
        unknown = device.description().host.missing
    return SelfCheck(
        device=profile.name,
        fingerprint=fingerprint.model_dump(),
        findings=tuple((finding.problem, finding.advice) for finding in findings),
        unknown=unknown,
        pairs=len(null.ratios),
        p50_us=null.p50_us,
        ratio=null.ratio,
        ratio_low=null.low,
        ratio_high=null.high,
        tolerance=null.tolerance,
        false_differences=null.false_differences,
        half_width=null.half_width,
        fences=() if quick else tuple(_fences(profile, fingerprint, console, store, note)),
        verdict=_verdict(findings, null),
    )


def lines(found: SelfCheck) -> list[str]:
    """Say in words what was found."""
    board, engine = found.fingerprint["board"], found.fingerprint["engine"]
    said = [
        f"{found.device}: {board}, {found.fingerprint['os_release']}, {engine} {found.fingerprint['engine_version']}",
        f"null test, {found.pairs} pairs of one network with itself: ratio {found.ratio:.4f}, 90% interval "
        f"{found.ratio_low:.4f} to {found.ratio_high:.4f}, allowed {found.tolerance:.1%}; "
        f"{found.false_differences:.0%} of the pairs would have shown a difference that is none",
        f"noise: {found.p50_us:.1f} µs, 95% over processes +-{found.half_width:.1%}",
    ]
    for fence in found.fences:
        place = "within" if fence.within else "OUTSIDE"
        said.append(
            f"{fence.model} in {fence.precision}: {fence.measured_ms:.3g} ms, published {fence.published_ms:.3g} ms "
            f"({fence.source}): {place} x{fences.LEAST:g} to x{fences.MOST:g}"
        )
    said += [f"not known: {what} ({why})" for what, why in found.unknown.items()]
    return said


def _small(folder: Path) -> Subject:
    """Return the digits' full-width network with random weights: its cost depends on its shapes alone."""
    return _full_width(create_bank("resnet8", tuple("0123456789"), (1, 16, 16)), "fp32", folder)


def _full_width(bank: ModelBank, precision: Precision, folder: Path, *, for_tensorrt: bool = False) -> Subject:
    arch = bank.space.full
    model = Template.create(bank).subnet(bank, arch, bank.neutral_statistics(arch))
    images = torch.randn(1, *bank.spec.input_shape)
    model = in_precision(model, precision, images, for_tensorrt=for_tensorrt)
    name = arch_id(bank.spec.model, arch)
    return Subject(name, write_subnet(folder, model, name, precision=precision), topology_key(model), precision)


def _fences(
    profile: DeviceProfile,
    fingerprint: Fingerprint,
    console: Console,
    store: Store,
    note: Callable[[Exception], None],
) -> Iterator[Fence]:
    """Measure what something is published of for this board and the engine that it has for the precision.

    A device that is lost meanwhile is noted, and ends it.
    """
    published = fences.references(fingerprint.board)
    for precision, model in dict.fromkeys((reference.precision, reference.model) for reference in published):
        if precision not in profile.precisions or model not in MODELS:
            continue
        try:
            found = _held_against(profile, precision, model, console, store)
        except (PrecisionMissing, EngineFailed, MeasurementError, PrecisionError) as error:
            console.warn(f"{model} in {precision} cannot be held against what is published: {error}")
            continue
        except DeviceError as error:
            note(error)
            return
        if found:
            yield found


def _held_against(
    profile: DeviceProfile, precision: Precision, model: str, console: Console, store: Store
) -> Fence | None:
    bank = create_bank(model, [str(i) for i in range(IMAGENET_CLASSES)], (3, 224, 224))
    with (
        tempfile.TemporaryDirectory() as scratch,
        connect(profile, precision=precision) as device,
        console.stage(f"{model} {precision} on {profile.name}") as advance,
    ):
        fingerprint = device.describe()
        subject = _full_width(bank, precision, Path(scratch), for_tensorrt=fingerprint.by_tensorrt)
        measured = explore(device, [], subject, store=store, progress=advance)[subject.name]
    if measured.summary is None:
        raise MeasurementError(measured.reason)
    check = fences.check(
        board=fingerprint.board,
        engine=fingerprint.engine,
        precision=precision,
        model=model,
        p50_ms=measured.summary.p50_ms,
        threads=fingerprint.threads,
    )
    if check is None:
        return None
    return Fence(
        model=model,
        precision=precision,
        measured_ms=measured.summary.p50_ms,
        published_ms=check.reference.p50_ms,
        source=check.reference.source,
        within=check.within,
    )


def _verdict(findings: list[guards.Finding], null: NullTest) -> str:
    reasons = [finding.problem for finding in findings if isinstance(finding, GRAVE) and _now(finding)]
    if not null.equivalent:
        reasons.append(f"one network differs from itself by {abs(null.ratio - 1):.1%}")
    elif null.false_differences > FALSE_DIFFERENCES:
        reasons.append(f"{null.false_differences:.0%} of comparisons show a difference that is none")
    return "; ".join(reasons)


def _now(finding: guards.Finding) -> bool:
    return not isinstance(finding, guards.SlowedDown) or finding.now
