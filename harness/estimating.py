"""Planning without a device: the stages that need costs, with those of published hardware figures (`--estimate`).

Nothing is connected and nothing is measured. An estimate can speak against a budget, but it never confirms one.
"""

from __future__ import annotations

from typing import Any

from devices import DeviceProfile, Hardware, ProfileError, known_profiles, load_profile
from devices.hardware import Precision
from harness.bank import ModelBank, load_bank
from harness.costs import NUMBER_BYTES, ComplexityCounter, Roof, Roofline
from harness.deployment import Deployment
from harness.export import ExportMismatch
from harness.planning import find_candidates
from harness.report import Row, mark_front, write_csv
from harness.run import Run
from harness.search import COMPUTE, LATENCY, Cost, InfeasibleBudget, Kind, Scorer, select, split_feasible
from harness.tradeoff import PRECISION, DeviceResults, rows_of


def profile_roof(profile: DeviceProfile) -> Roof:
    """Return what limits a layer on a device, by its profile; ProfileError where that lacks what an estimate needs."""
    if profile.hardware is None:
        able = [name for name in known_profiles() if load_profile(name).hardware]
        raise ProfileError(
            f"--estimate needs published hardware figures, and the profile of {profile.name} has no [hardware] "
            f"section; there are figures for {', '.join(able)}"
        )
    roof = roof_of(profile.hardware, PRECISION, profile.threads)
    if roof is None:
        raise ProfileError(f"the profile of {profile.name} has no hardware.peak_gmacs.{PRECISION} to estimate from")
    return roof


def roof_of(hardware: Hardware, precision: Precision, threads: int) -> Roof | None:
    """Return what limits a layer in a precision with so many threads; None where no peak is published for it."""
    peak = hardware.peak(precision, threads)
    if peak is None:
        return None
    return Roof(
        macs_per_ms=peak * 1e6,
        bytes_per_ms=hardware.bandwidth_gb_s * 1e6,
        floor_ms=hardware.kernel_floor_us / 1e3,
        number_bytes=NUMBER_BYTES[precision],
    )


def cautions(run: Run) -> list[str]:
    """Return what whoever reads the results must know: nothing where the devices were measured."""
    if not run.settings.estimate:
        return []
    return [
        f"nothing was measured on {profile.name}: its latencies are about the least that published figures allow; real "
        f"ones are mostly one to five times as long, and more where layers are small (docs/estimating.md)"
        for profile in run.profiles
    ]


def rule_out_by_estimate(run: Run, bank: ModelBank) -> None:
    """Drop the budgets that even the smallest subnet exceeds by estimate, before anything is trained."""
    counter = ComplexityCounter(bank)
    smallest = counter.space.smallest
    with run.folder.timed("checks"):
        for profile in run.profiles:
            roofline = Roofline(counter, profile_roof(profile), run.settings.batch_size)
            least = {COMPUTE: counter.compute_fraction(smallest), LATENCY: roofline.predict_ms(smallest)}
            words = {LATENCY: f"the smallest subnet, by estimate for {profile.name},"}
            run.folder.record.devices[profile.name] = _about(profile)
            run.rule_out(profile, split_feasible(run.budgets[profile.name], least, words)[1])
    run.go_on_without()


def search_by_estimate(run: Run) -> None:
    """Score candidates by UPEM, choose for every budget by estimate, and export what was chosen."""
    bank, _ = load_bank(run.folder.bank)
    counter = ComplexityCounter(bank)
    scorer = Scorer(bank, run.domains.calibration[: run.settings.effort.score_images])
    rows: list[Row] = []
    for profile in list(run.profiles):
        try:
            with run.folder.timed(f"search {profile.name}"):
                roofline = Roofline(counter, profile_roof(profile), run.settings.batch_size)
                results = DeviceResults(profile, None, run.budgets[profile.name], roofline=roofline)
                _choose(run, bank, scorer, results, roofline)
                _export(run, bank, results)
        except (ExportMismatch, InfeasibleBudget) as problem:
            run.note(problem)
            run.go_on_without([profile])
            continue
        run.folder.record.devices[profile.name] = _about(profile)
        rows += rows_of(results, bank, counter, run.settings.batch_size)
        write_csv(mark_front(rows), run.folder.tradeoff)
    run.folder.keep_subnets({row.arch_id for row in rows if row.selected == "yes"})


def _choose(run: Run, bank: ModelBank, scorer: Scorer, results: DeviceResults, roofline: Roofline) -> None:
    """Find the subnet of least UPEM for every budget."""
    with run.console.stage(f"searching for {results.profile.name}") as advance:
        candidates = find_candidates(bank, scorer, results, run.settings, advance)
    results.upem = dict(scorer.scores)
    results.found_by = {candidate.arch: candidate.chosen_by for candidate in reversed(candidates)}
    costs: dict[Kind, Cost] = {COMPUTE: roofline.counter.compute_fraction, LATENCY: roofline.predict_ms}
    selections, misses = select(candidates, results.budgets, costs, runners_up=0)
    for miss in misses:
        run.note(miss)
    results.chosen = {selection.budget: selection.best.arch for selection in selections}


def _export(run: Run, bank: ModelBank, results: DeviceResults) -> None:
    """Write the chosen subnets, each verified against the bank in ONNX Runtime on this machine."""
    deployment = Deployment(bank, run.settings.batch_size)
    for arch in dict.fromkeys(results.chosen.values()):
        kept = deployment.subnet(arch, run.domains, run.folder.subnets, run.provenance)
        results.model_bytes[arch] = kept.file.stat().st_size


def _about(profile: DeviceProfile) -> dict[str, Any]:
    """Return what run.json says of a device that is not there."""
    assert profile.hardware is not None
    return {
        "device": profile.name,
        "cost_source": "estimated",
        "precision": PRECISION,
        "threads": profile.threads,
        "hardware": profile.hardware.model_dump(),
    }
