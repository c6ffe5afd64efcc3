"""The whole story on one page: adapt once, measure on every device, search without target labels, report.

Each stage takes what the stages before it left in the run folder and the store, so it can run alone, and a killed run
goes on where it was. Target labels enter `report` and nothing before it.
"""

from __future__ import annotations

from collections.abc import Collection

from devices import Device
from harness.bank import load_bank
from harness.baselines import adapt_baselines, check_baselines, contenders
from harness.choosing import (
    find_candidates,
    number_of_searches,
    opposed_kinds,
    rule_out_the_impossible,
    scorer_for,
    verify,
)
from harness.data import TargetLabels
from harness.export import subnet_filename
from harness.planning import cautions, rule_out_by_estimate, search_by_estimate
from harness.profiling import explored
from harness.report import read_csv
from harness.results import DeviceResults, with_target_accuracy, write_down, write_report
from harness.running import Configuration, Run
from harness.training import adapt, new_bank

STAGES = ("adapt", "profile", "search", "report")


def run_stages(run: Run, target_labels: TargetLabels | None, stages: Collection[str] = STAGES) -> None:
    """Run the given stages; what could not be done is in `run.problems`, the rest is in the run folder.

    Raises NothingLeft where there is no rest.
    """
    estimate = run.settings.estimate
    if {"adapt", "search"} & set(stages):
        check_baselines(run)
        adapting = "adapt" in stages and not (run.folder.bank / "bank.json").exists()
        bank = new_bank(run, run.settings.weights if adapting else None)
        rule_out_by_estimate(run, bank) if estimate else rule_out_the_impossible(run, bank)
        if adapting:
            adapt(run, bank)
    if "adapt" in stages:
        adapt_baselines(run)
    profiled = profile(run) if "profile" in stages and not estimate else {}
    if "search" in stages:
        search_by_estimate(run) if estimate else search(run, profiled)
    if "report" in stages:
        report(run, target_labels)


Profiled = dict[str, DeviceResults]


def profile(run: Run) -> Profiled:
    """Measure architectures on every device and fit its cost model; the store keeps the measurements for later runs."""
    bank, _ = load_bank(run.folder.bank)
    found: Profiled = {}

    def profiled(configuration: Configuration, device: Device) -> None:
        found[configuration.name] = explored(run, configuration, device, bank)

    run.on_every_device("profile", profiled)
    return found


def search(run: Run, profiled: Profiled) -> None:
    """Score candidates by UPEM, choose for every budget, and measure what was chosen on the device."""
    bank, _ = load_bank(run.folder.bank)
    scorer, baselines = scorer_for(run, bank), contenders(run)
    found: dict[str, DeviceResults] = {}

    def searched(configuration: Configuration, device: Device) -> None:
        results = profiled.get(configuration.name) or explored(run, configuration, device, bank)
        count = number_of_searches(results.budgets) + len(opposed_kinds(results))
        title = f"searching for {configuration.name}" + (f" ({count} searches)" if count > 1 else "")
        with run.workstation, run.console.stage(title) as advance:
            candidates = find_candidates(bank, scorer, results, run.settings, advance)
        results.take_in(candidates, scorer.scores)
        verify(run, device, bank, results, candidates, baselines)
        with run.workstation:
            found[configuration.name] = results
            write_down(run, bank, found)

    run.on_every_device("search", searched)
    run.folder.drop_subnets_but(
        subnet_filename(name, results.precision, results.batch_size)
        for results in found.values()
        for name in results.kept(bank.spec.model)
    )


def report(run: Run, target_labels: TargetLabels | None) -> None:
    """Write the trade-off with accuracy where target labels exist - their only use - and draw it."""
    rows = read_csv(run.folder.tradeoff)
    if target_labels is not None:
        rows = with_target_accuracy(run, rows, target_labels)
    write_report(run, rows, cautions(run))
