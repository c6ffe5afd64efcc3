"""The whole story on one page: adapt once, measure on every device, search without target labels, report.

Each stage takes what the stages before it left in the run folder and the store, so it can run alone, and a killed run
goes on where it was. Target labels enter `report` and nothing before it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path

from devices import Device
from harness.adaptation import DEPLOYED_HEAD, check_health, train, train_apart
from harness.bank import ModelBank, StandaloneBank, create_bank, create_standalone_bank, load_bank, save_bank
from harness.costs import ComplexityCounter, LatencyFeatures, LatencyModel, TooFewMeasurements
from harness.data import TargetLabels
from harness.deployment import Deployment
from harness.estimating import cautions, rule_out_by_estimate, search_by_estimate
from harness.evaluation import target_accuracy
from harness.finalists import choose, shortfalls, shortlist
from harness.measuring import MeasurementError, explore, finalists, measure_further, save_measurements
from harness.planning import default_model, find_candidates, pool, rule_out, standalone_widths
from harness.report import closing_tables, draw_tradeoff, mark_front, read_csv, write_csv, write_page
from harness.run import Run
from harness.search import Candidate, Scorer
from harness.space import arch_id, decode
from harness.tradeoff import DeviceResults, rows_of, with_accuracy

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
        rule_out_by_estimate(run, new_bank(run)) if estimate else rule_out_the_impossible(run)
    if "adapt" in stages:
        adapt(run)
    if "profile" in stages and not estimate:
        profile(run)
    if "search" in stages:
        search_by_estimate(run) if estimate else search(run)
    if "report" in stages:
        report(run, target_labels)


def rule_out_the_impossible(run: Run) -> None:
    """Reach every device and drop the budgets that no subnet can meet, before minutes are spent on anything else."""
    deployment = Deployment(new_bank(run), run.settings.batch_size)

    def checked(device: Device) -> None:
        profile = device.profile
        run.folder.record.devices[profile.name] = device.describe().model_dump()
        with tempfile.TemporaryDirectory() as scratch, run.console.stage(f"checking {profile.name}") as advance:
            misses = rule_out(run.budgets[profile.name], device, deployment, Path(scratch), run.store, advance)
        run.rule_out(profile, misses)

    run.on_every_device("checks", checked)


def new_bank(run: Run) -> ModelBank:
    """Return the bank that adaptation starts from."""
    settings, preprocessing = run.settings, run.domains.preprocessing
    shape = (preprocessing.channels, *preprocessing.size)
    model = settings.model or default_model(shape)
    method = settings.adaptation.method
    bank = create_bank(model, run.domains.classes, shape, seed=settings.seed, head=DEPLOYED_HEAD[method])
    if method != "standalone":
        return bank
    asked = [budget for budgets in run.budgets.values() for budget in budgets]
    return create_standalone_bank(bank, standalone_widths(bank.space, ComplexityCounter(bank), asked))


def adapt(run: Run) -> ModelBank:
    """Train the bank on labelled source and unlabelled target images; done once, resumed where it was killed."""
    if (run.folder.bank / "bank.json").exists():
        return load_bank(run.folder.bank)[0]
    bank = new_bank(run)
    settings = run.settings.adaptation
    with run.console.stage(f"adapting ({settings.method})") as advance, run.folder.timed("adapt"):
        capacity = ComplexityCounter(bank).macs
        if isinstance(bank, StandaloneBank):
            folder = run.folder.bank
            train_apart(bank, run.domains, settings, capacity=capacity, checkpoints=folder, progress=advance)
        else:
            train(bank, run.domains, settings, capacity=capacity, checkpoint=run.folder.checkpoint, progress=advance)
    run.folder.record.warnings = check_health(bank, run.domains)
    if isinstance(bank, StandaloneBank):
        run.folder.record.warnings.append(TRAINED_APART)
    for warning in run.folder.record.warnings:
        run.console.warn(warning)
    about = {"adaptation": settings.model_dump(), "data": run.domains.name, "digest": run.domains.digest}
    save_bank(bank, run.folder.bank, {**about, "preprocessing": run.domains.preprocessing.model_dump(mode="json")})
    return bank


def profile(run: Run) -> None:
    """Measure a spread of architectures on every device; the store keeps them for the search."""
    bank, _ = load_bank(run.folder.bank)
    run.on_every_device("profile", lambda device: explored(run, device, bank))


def explored(run: Run, device: Device, bank: ModelBank) -> DeviceResults:
    """Return the pool's latencies on one device, from the store where it has them, and the model fitted to them."""
    name, effort = device.profile.name, run.settings.effort
    results = DeviceResults(device.profile, device.describe(), run.budgets[name])
    counter = ComplexityCounter(bank)
    archs = pool(bank.space, counter, effort.profiled, run.settings.seed)
    with tempfile.TemporaryDirectory() as scratch, run.console.stage(f"measuring on {name}") as advance:
        deployment = Deployment(bank, run.settings.batch_size)
        subjects = {arch: deployment.shape(arch, Path(scratch)) for arch in archs}
        anchor = subjects[bank.space.full]
        found = explore(
            device,
            [*subjects.values()],
            anchor,
            store=run.store,
            seed=run.settings.seed,
            progress=advance,
            notice=run.console.warn,
        )
    results.add({arch: found[subject.name] for arch, subject in subjects.items()})
    known = {arch: m.summary.p50_ms for arch, m in results.measured.items() if m.summary}
    try:
        results.latency_model = LatencyModel.fit(list(known), list(known.values()), LatencyFeatures(counter))
    except TooFewMeasurements as error:
        raise MeasurementError(f"too few subnets could be measured on {name}: {error}") from error
    model = results.latency_model
    run.folder.record.cost_models[name] = {
        "rates": dict(zip(model.features.names, model.rates.tolist(), strict=True)),
        "held_out": asdict(model.held_out),
        "macs_only": asdict(model.macs_only),
    }
    run.folder.record.devices[name] = device.describe().model_dump()
    return results


def search(run: Run) -> None:
    """Score candidates by UPEM, choose for every budget, and measure what was chosen on the device."""
    bank, _ = load_bank(run.folder.bank)
    scorer = Scorer(bank, run.domains.calibration[: run.settings.effort.score_images])
    found: dict[str, DeviceResults] = {}

    def searched(device: Device) -> None:
        results = explored(run, device, bank)
        with run.workstation, run.console.stage(f"searching for {device.profile.name}") as advance:
            candidates = find_candidates(bank, scorer, results, run.settings, advance)
        results.upem = dict(scorer.scores)
        results.found_by = {candidate.arch: candidate.chosen_by for candidate in reversed(candidates)}
        verify(run, device, bank, results, candidates)
        with run.workstation:
            found[device.profile.name] = results
            write_down(run, bank, found)

    run.on_every_device("search", searched)
    run.folder.keep_subnets({arch_id(bank.spec.model, arch) for r in found.values() for arch in r.chosen.values()})


def write_down(run: Run, bank: ModelBank, found: Mapping[str, DeviceResults]) -> None:
    """Write the rows and the measurements of the devices that are done, in the order they were asked for."""
    counter = ComplexityCounter(bank)
    done = [found[profile.name] for profile in run.profiles if profile.name in found]
    passes = [record for results in done for costs in results.further.values() for record in costs.records]
    save_measurements([m for results in done for m in results.measurements], run.folder.measurements, passes)
    rows = [row for results in done for row in rows_of(results, bank, counter, run.settings.batch_size)]
    write_csv(mark_front(rows), run.folder.tradeoff)


def verify(run: Run, device: Device, bank: ModelBank, results: DeviceResults, candidates: list[Candidate]) -> None:
    """Export the shortlist, measure it over fresh processes, and keep for every budget the best that holds it."""
    counter = ComplexityCounter(bank)
    selections, misses = shortlist(candidates, results, counter)
    for miss in misses:
        run.note(miss)
    archs = list(dict.fromkeys(c.arch for s in selections for c in (s.best, *s.runners_up)))
    deployment = Deployment(bank, run.settings.batch_size)
    with tempfile.TemporaryDirectory() as scratch:
        subjects = {a: deployment.subnet(a, run.domains, Path(scratch), run.provenance) for a in archs}
        anchor = subjects.get(bank.space.full) or deployment.shape(bank.space.full, Path(scratch))
        with run.console.stage(f"measuring finalists on {device.profile.name}") as advance:
            found = finalists(
                device,
                [*subjects.values()],
                anchor,
                store=run.store,
                seed=run.settings.seed,
                progress=advance,
                notice=run.console.warn,
            )
        results.add({arch: found[subject.name] for arch, subject in subjects.items()})
        results.chosen = choose(selections, results, counter)
        for problem in shortfalls(selections, results, counter):
            run.note(problem)
        chosen = list(dict.fromkeys(results.chosen.values()))
        with run.console.stage(f"memory, energy on {device.profile.name}") as advance:
            for done, arch in enumerate(chosen, start=1):
                kept = deployment.subnet(arch, run.domains, run.folder.subnets, run.provenance)
                results.agreement[arch] = deployment.agreement(device, kept, arch, run.domains)
                results.further[arch] = measure_further(device, kept, store=run.store)
                advance(done, len(chosen))
        for reason in dict.fromkeys(r.reason for costs in results.further.values() for r in costs.records if r.reason):
            run.console.say(f"left open on {device.profile.name}: {reason}")
        results.model_bytes = {arch: subject.file.stat().st_size for arch, subject in subjects.items()}


def report(run: Run, target_labels: TargetLabels | None) -> None:
    """Write the trade-off with accuracy where target labels exist - their only use - and draw it."""
    rows = read_csv(run.folder.tradeoff)
    if target_labels is not None:
        bank, _ = load_bank(run.folder.bank)
        with run.folder.timed("report"), run.console.stage("target accuracy") as advance:
            rows = with_accuracy(
                rows, lambda w: target_accuracy(bank, decode(w), run.domains.calibration, target_labels), advance
            )
    rows = mark_front(rows)
    write_csv(rows, run.folder.tradeoff)
    title = f"{run.domains.name}: what each budget costs"
    draw_tradeoff(rows, run.folder.picture, title=title)
    write_page(rows, run.folder.page, title=title, notes=[*run.folder.record.warnings, *cautions(run)])
    for table in closing_tables(rows, width=run.console.width):
        run.console.say(table)
    for caution in cautions(run):
        run.console.warn(caution)
