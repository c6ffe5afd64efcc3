"""The whole story on one page: adapt once, measure on every device, search without target labels, report.

Each stage takes what the stages before it left in the run folder and the store, so it can run alone, and a killed run
goes on where it was. Target labels enter `report` and nothing before it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from devices import Device
from harness.adaptation import DEPLOYED_HEAD, check_health, find_hardware, train, train_apart
from harness.bank import (
    Architecture,
    ModelBank,
    StandaloneBank,
    create_bank,
    create_standalone_bank,
    load_bank,
    save_bank,
    start_from,
)
from harness.baselines import adapt_baselines, check_baselines, contenders
from harness.costs import ComplexityCounter
from harness.data import TargetLabels
from harness.estimating import cautions, rule_out_by_estimate, search_by_estimate
from harness.evaluation import deployed_accuracy, target_accuracy
from harness.export import subnet_filename
from harness.following import following
from harness.measuring import Subject, guards, save_measurements
from harness.on_device import deployment_for, explored, verify
from harness.page_facts import run_facts
from harness.planning import default_model, rule_out, standalone_widths
from harness.report import (
    closing_tables,
    comparison_table,
    cost_sentences,
    draw_tradeoff,
    mark_front,
    read_csv,
    write_csv,
    write_page,
)
from harness.rows import baseline_rows, rows_of, with_accuracy
from harness.run import Configuration, Run
from harness.scoring import scorer_for
from harness.searching import find_candidates, number_of_searches, opposed_kinds
from harness.space import decode
from harness.tradeoff import DeviceResults

STAGES = ("adapt", "profile", "search", "report")

TRAINED_APART = (
    "every width was trained apart (standalone), so UPEM also holds what two trainings of one network differ by"
)


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


def rule_out_the_impossible(run: Run, bank: ModelBank) -> None:
    """Reach every device and drop the budgets that no subnet can meet, before minutes are spent on anything else."""
    counter = ComplexityCounter(bank)

    def checked(configuration: Configuration, device: Device) -> None:
        name = configuration.name
        run.folder.record.devices[name] = device.describe().model_dump()
        look_at(run, device)
        deployment = deployment_for(device, run, bank, configuration)
        with tempfile.TemporaryDirectory() as scratch, run.console.stage(f"checking {name}") as advance:

            def shape(arch: Architecture) -> Subject:
                return deployment.shape(arch, Path(scratch), run.provenance)

            misses = rule_out(configuration.budgets, device, shape, counter, run.store, advance)
        run.rule_out(configuration, misses)

    run.on_every_device("checks", checked)


def look_at(run: Run, device: Device) -> None:
    """Tell, once, what speaks against measuring on a device now, and keep it in run.json; nothing is set right."""
    findings = run.folder.record.findings
    if device.profile.name not in findings:
        found = [f"{finding.problem}. {finding.advice}" for finding in guards.check(device)]
        findings[device.profile.name] = found
        for line in found:
            run.console.say(f"{device.profile.name}: {line}")


def new_bank(run: Run, weights: str | None) -> ModelBank:
    """Return the bank that adaptation starts from: of random weights, or of those that are named."""
    settings, preprocessing = run.settings, run.domains.preprocessing
    shape = (preprocessing.channels, *preprocessing.size)
    model = settings.model or default_model(shape)
    head = DEPLOYED_HEAD[settings.adaptation.method]
    bank = create_bank(model, run.domains.classes, shape, seed=settings.seed, head=head)
    if weights is not None:
        run.begin_with(start_from(bank, weights))
    return bank


def adapt(run: Run, bank: ModelBank) -> None:
    """Train the bank on labelled source and unlabelled target images; done once, resumed where it was killed."""
    settings = run.settings.adaptation
    if settings.method == "standalone":
        asked = [budget for configuration in run.configurations for budget in configuration.budgets]
        bank = create_standalone_bank(bank, standalone_widths(bank.space, ComplexityCounter(bank), asked))
    hardware = find_hardware(run.settings.train_device, run.settings.train_precision)
    with following(run, f"adapting ({settings.method})") as told, run.folder.timed("adapt"):
        kept: dict[str, Any] = {"capacity": ComplexityCounter(bank).macs, "hardware": hardware, **vars(told)}
        if isinstance(bank, StandaloneBank):
            train_apart(bank, run.domains, settings, checkpoints=run.folder.bank, **kept)
        else:
            train(bank, run.domains, settings, checkpoint=run.folder.checkpoint, **kept)
    run.folder.record.warnings = check_health(bank, run.domains)
    if isinstance(bank, StandaloneBank):
        run.folder.record.warnings.append(TRAINED_APART)
    for warning in run.folder.record.warnings:
        run.console.warn(warning)
    about = {"adaptation": settings.model_dump(), "data": run.domains.name, "digest": run.domains.digest}
    about |= {"weights": run.folder.record.weights, "preprocessing": run.domains.preprocessing.model_dump(mode="json")}
    save_bank(bank, run.folder.bank, about)


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


def write_down(run: Run, bank: ModelBank, found: Mapping[str, DeviceResults]) -> None:
    """Write the rows and the measurements of the devices that are done, in the order they were asked for."""
    counter = ComplexityCounter(bank)
    done = [found[configuration.name] for configuration in run.configurations if configuration.name in found]
    passes = [record for results in done for record in results.passes]
    save_measurements([m for results in done for m in results.measurements], run.folder.measurements, passes)
    rows = [row for r in done for row in (*rows_of(r, bank, counter), *baseline_rows(r, counter))]
    write_csv(mark_front(rows), run.folder.tradeoff)
    run.folder.record.comparisons = {results.name: results.comparisons for results in done}


def report(run: Run, target_labels: TargetLabels | None) -> None:
    """Write the trade-off with accuracy where target labels exist - their only use - and draw it."""
    rows = read_csv(run.folder.tradeoff)
    names = {arch_id: baseline.name for arch_id, baseline in run.folder.record.baselines.items()}
    if target_labels is not None:
        bank, _ = load_bank(run.folder.bank)
        with run.folder.timed("report"), run.console.stage("target accuracy") as advance:
            rows = with_accuracy(
                rows,
                of_widths=lambda w: target_accuracy(bank, decode(w), run.domains.calibration, target_labels),
                of_file=lambda name: deployed_accuracy(run.folder.subnets / name, target_labels),
                progress=advance,
                baselines=names,
            )
    rows = mark_front(rows)
    write_csv(rows, run.folder.tradeoff)
    title = f"{run.domains.name}: what each budget costs"
    draw_tradeoff(rows, run.folder.picture, title=title, baselines=names)
    comparisons = {name: found for name, found in run.folder.record.comparisons.items() if found}
    models = run.cost_models
    facts = run_facts(run.folder, rows, [*run.folder.record.warnings, *cautions(run)])
    write_page(
        rows,
        run.folder.page,
        title=title,
        facts=facts,
        comparisons=comparisons,
        cost_models=models,
        baselines=names,
    )
    for table in closing_tables(rows, width=run.console.width, baselines=names):
        run.console.say(table)
    for name, found in comparisons.items():
        run.console.say(comparison_table(name, found))
    for name, model in models.items():
        for sentence in cost_sentences(name, model):
            run.console.say(sentence)
    for caution in cautions(run):
        run.console.warn(caution)
