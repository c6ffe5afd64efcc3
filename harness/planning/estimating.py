"""Planning without a device: the stages that need costs, with those of published hardware figures (`--estimate`).

Nothing is connected and nothing is measured. An estimate can speak against a budget, but it never confirms one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from devices import DeviceProfile, Hardware, Precision, ProfileError, known_profiles, load_profile
from harness.bank import Architecture, ModelBank, load_bank
from harness.choosing import find_candidates, least_exactly, scorer_for
from harness.costs import NUMBER_BYTES, ComplexityCounter, ModelSize, Roof, Roofline
from harness.deployment import Deployment
from harness.export import ExportMismatch, PrecisionError
from harness.measuring import Subject
from harness.report import Row, mark_front, write_csv
from harness.results import DeviceResults, rows_of, write_cards
from harness.running import Configuration, Run
from harness.search import (
    ENERGY,
    LATENCY,
    MEMORY,
    Budget,
    BudgetError,
    InfeasibleBudget,
    Scorer,
    select,
    split_feasible,
)


def refuse_unestimated(budgets: Sequence[Budget]) -> None:
    """Raise BudgetError for limits on costs of which nothing is published."""
    for kind in (MEMORY, ENERGY):
        if any(kind in budget.kinds for budget in budgets):
            raise BudgetError(f"{kind.option} cannot be estimated, only measured: leave out either that or --estimate")


def profile_roof(profile: DeviceProfile, precision: Precision) -> Roof:
    """Return what limits a layer on a device, by its profile; ProfileError where that lacks what an estimate needs."""
    if profile.hardware is None:
        able = [name for name in known_profiles() if load_profile(name).hardware]
        raise ProfileError(
            f"--estimate needs published hardware figures, and the profile of {profile.name} has no [hardware] "
            f"section; there are figures for {', '.join(able)}"
        )
    roof = roof_of(profile.hardware, precision, profile.threads)
    if roof is None:
        raise ProfileError(f"the profile of {profile.name} has no hardware.peak_gmacs.{precision} to estimate from")
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
    left_out = [f"{', '.join(run.settings.baselines)}: baselines are measured, not estimated, and are left out"]
    return left_out * bool(run.settings.baselines) + [
        f"nothing was measured on {profile.name}: its latencies are about the least that published figures allow; real "
        f"ones are mostly one to five times as long, and more where layers are small (docs/estimating.md)"
        for profile in {c.profile.name: c.profile for c in run.configurations}.values()
    ]


def rule_out_by_estimate(run: Run, bank: ModelBank) -> None:
    """Drop the budgets that even the smallest subnet exceeds by estimate, before anything is trained."""
    counter = ComplexityCounter(bank)
    smallest = counter.space.smallest
    with run.folder.timed("checks"):
        for configuration in run.configurations:
            profile, name = configuration.profile, configuration.name
            roof = profile_roof(profile, configuration.precision)
            roofline = Roofline(counter, roof, configuration.batch_size)
            deployment = _deployment(run, bank, configuration)
            with tempfile.TemporaryDirectory() as scratch:

                def shape(arch: Architecture, deployment: Deployment = deployment, scratch: str = scratch) -> Subject:
                    return deployment.shape(arch, Path(scratch), run.provenance)

                least = least_exactly(configuration.budgets, shape, counter)
            least[LATENCY] = roofline.predict_ms(smallest)
            words = {LATENCY: f"the smallest subnet, by estimate for {name},"}
            run.folder.record.devices[name] = _about(configuration)
            run.rule_out(configuration, split_feasible(configuration.budgets, least, words)[1])
    run.go_on_without()


def search_by_estimate(run: Run) -> None:
    """Score candidates by UPEM, choose for every budget by estimate, and export what was chosen."""
    bank, _ = load_bank(run.folder.bank)
    counter = ComplexityCounter(bank)
    scorer = scorer_for(run, bank)
    rows: list[Row] = []
    kept: list[str] = []
    run.folder.record.comparisons = {}
    for configuration in list(run.configurations):
        profile, name = configuration.profile, configuration.name
        precision, batch_size = configuration.precision, configuration.batch_size
        try:
            with run.folder.timed(f"search {name}"):
                roofline = Roofline(counter, profile_roof(profile, precision), batch_size)
                results = DeviceResults(profile, precision, None, configuration.budgets, batch_size, roofline=roofline)
                results.model_size = _sizes(run, bank, counter, configuration)
                _choose(run, bank, scorer, results, counter)
                kept += _export(run, bank, results)
        except (ExportMismatch, PrecisionError, InfeasibleBudget) as problem:
            run.note(problem)
            run.go_on_without([configuration])
            continue
        run.folder.record.devices[name] = _about(configuration)
        rows += rows_of(results, bank, counter)
        write_csv(mark_front(rows), run.folder.tradeoff)
        write_cards(run.folder, rows)
    run.folder.drop_subnets_but(kept)


def _choose(run: Run, bank: ModelBank, scorer: Scorer, results: DeviceResults, counter: ComplexityCounter) -> None:
    """Find the subnet of least UPEM for every budget."""
    with run.console.stage(f"searching for {results.name}") as advance:
        candidates = find_candidates(bank, scorer, results, run.settings, advance)
    results.take_in(candidates, scorer.scores)
    selections, misses = select(candidates, results.budgets, results.costs(counter), runners_up=0)
    for miss in misses:
        run.note(miss)
    results.chosen = {selection.budget: selection.best.arch for selection in selections}


def _deployment(run: Run, bank: ModelBank, configuration: Configuration | DeviceResults) -> Deployment:
    precision, batch_size = configuration.precision, configuration.batch_size
    return Deployment(bank, run.domains, batch_size, precision, for_tensorrt=run.for_tensorrt(precision))


def _sizes(run: Run, bank: ModelBank, counter: ComplexityCounter, configuration: Configuration) -> ModelSize:
    deployment = _deployment(run, bank, configuration)
    with tempfile.TemporaryDirectory() as scratch:
        full = deployment.shape(bank.space.full, Path(scratch), run.provenance).file.stat().st_size
    return ModelSize.of(counter, deployment.form, full)


def _export(run: Run, bank: ModelBank, results: DeviceResults) -> list[str]:
    """Write the chosen subnets, each verified against the bank in ONNX Runtime on this machine; return their names."""
    deployment = _deployment(run, bank, results)
    archs = dict.fromkeys(results.chosen.values())
    files = {arch: deployment.subnet(arch, run.folder.subnets, run.provenance).file for arch in archs}
    results.model_bytes = {arch: file.stat().st_size for arch, file in files.items()}
    return [file.name for file in files.values()]


def _about(configuration: Configuration) -> dict[str, Any]:
    """Return what run.json says of a device that is not there."""
    profile = configuration.profile
    assert profile.hardware is not None
    return {
        "device": profile.name,
        "cost_source": "estimated",
        "precision": configuration.precision,
        "threads": profile.threads,
        "hardware": profile.hardware.model_dump(),
    }
