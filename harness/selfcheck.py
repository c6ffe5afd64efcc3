"""Whether a device can give honest numbers now: guards, the null test, and published latencies where there are any."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from devices import Device, DeviceProfile, connect
from harness.bank import ModelBank, create_bank
from harness.console import Console
from harness.export import Template, topology_key, write_subnet
from harness.measuring import NullTest, Store, Subject, explore, fences, guards, null_test
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
    fence: Fence | None
    verdict: str
    """Empty where numbers can be believed; else why not, in one sentence."""


def selfcheck(profile: DeviceProfile, console: Console, store: Store, *, quick: bool = False) -> SelfCheck:
    """Check one device; raises `DeviceError` and `MeasurementError` where it cannot be checked at all."""
    with connect(profile) as device, tempfile.TemporaryDirectory() as scratch:
        with console.stage(f"guards of {profile.name}"):
            fingerprint = device.describe()
            findings = guards.check(device)
        with console.stage(f"null test on {profile.name}") as advance:
            null = null_test(device, _small(Path(scratch)), pairs=QUICK_PAIRS if quick else PAIRS, progress=advance)
        fence = None if quick else _fence(device, Path(scratch), console, store)
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
        fence=fence,
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
    if found.fence:
        place = "within" if found.fence.within else "OUTSIDE"
        said.append(
            f"{found.fence.model} in {found.fence.precision}: {found.fence.measured_ms:.3g} ms, published "
            f"{found.fence.published_ms:.3g} ms ({found.fence.source}): {place} x{fences.LEAST:g} to x{fences.MOST:g}"
        )
    said += [f"not known: {what} ({why})" for what, why in found.unknown.items()]
    return said


def _small(folder: Path) -> Subject:
    """Return the digits' full-width network with random weights: its cost depends on its shapes alone."""
    bank = create_bank("resnet8", tuple("0123456789"), (1, 16, 16))
    return _full_width(bank, folder)


def _full_width(bank: ModelBank, folder: Path) -> Subject:
    arch = bank.space.full
    model = Template.create(bank).subnet(bank, arch, bank.neutral_statistics(arch))
    name = arch_id(bank.spec.model, arch)
    return Subject(name, write_subnet(folder, model, name), topology_key(model))


def _fence(device: Device, folder: Path, console: Console, store: Store) -> Fence | None:
    """Measure the first network that something is published of for this board, engine and precision."""
    fingerprint = device.describe()
    for reference in fences.references(fingerprint.board, fingerprint.engine, fingerprint.threads):
        if reference.precision != "fp32" or not reference.model.startswith("resnet"):
            continue
        bank = create_bank(reference.model, [str(i) for i in range(IMAGENET_CLASSES)], (3, 224, 224))
        subject = _full_width(bank, folder)
        with console.stage(f"{reference.model} on {device.profile.name}") as advance:
            found = explore(device, [], subject, store=store, progress=advance)[subject.name]
        if found.summary is None:
            continue
        check = fences.check(
            board=fingerprint.board,
            engine=fingerprint.engine,
            precision=reference.precision,
            model=reference.model,
            p50_ms=found.summary.p50_ms,
            threads=fingerprint.threads,
        )
        if check is not None:
            return Fence(
                model=reference.model,
                precision=reference.precision,
                measured_ms=found.summary.p50_ms,
                published_ms=check.reference.p50_ms,
                source=check.reference.source,
                within=check.within,
            )
    return None


def _verdict(findings: list[guards.Finding], null: NullTest) -> str:
    reasons = [finding.problem for finding in findings if isinstance(finding, GRAVE) and _now(finding)]
    if not null.equivalent:
        reasons.append(f"one network differs from itself by {abs(null.ratio - 1):.1%}")
    elif null.false_differences > FALSE_DIFFERENCES:
        reasons.append(f"{null.false_differences:.0%} of comparisons show a difference that is none")
    return "; ".join(reasons)


def _now(finding: guards.Finding) -> bool:
    return not isinstance(finding, guards.SlowedDown) or finding.now
