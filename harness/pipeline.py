"""The whole story on one page: adapt once, measure on every device, search without target labels, report.

Each stage takes what the stages before it left in the run folder and the store, so it can run alone, and a killed run
goes on where it was. Target labels enter `report` and nothing before it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from devices import Device, DeviceError, DeviceProfile, connect
from harness.adaptation import DEPLOYED_HEAD, check_health, train, train_apart
from harness.bank import ModelBank, StandaloneBank, create_bank, create_standalone_bank, load_bank, save_bank
from harness.console import Console
from harness.costs import ComplexityCounter, LatencyFeatures, LatencyModel, TooFewMeasurements
from harness.data import Domains, TargetLabels
from harness.deployment import Deployment
from harness.evaluation import target_accuracy
from harness.export import ExportMismatch
from harness.finalists import choose, shortfalls, shortlist
from harness.measuring import Measurement, MeasurementError, Store, explore, finalists, save_measurements
from harness.planning import default_model, find_candidates, pool, rule_out, standalone_widths
from harness.report import Row, closing_tables, draw_tradeoff, mark_front, read_csv, write_csv, write_page
from harness.run_folder import RunFolder
from harness.search import Budget, Candidate, InfeasibleBudget, Scorer
from harness.settings import RunSettings
from harness.space import decode
from harness.tradeoff import DeviceResults, rows_of, with_accuracy

STAGES = ("adapt", "profile", "search", "report")

#: What costs a run one device or one budget, but not the others.
PARTIAL = (DeviceError, MeasurementError, ExportMismatch, InfeasibleBudget)


TRAINED_APART = (
    "every width was trained apart (standalone), so UPEM also holds what two trainings of one network differ by"
)


class NothingLeft(Exception):
    """Every device or every budget is lost; `Run.problems` says why."""


@dataclass
class Run:
    """What the stages share, and what went wrong so far."""

    folder: RunFolder
    console: Console
    store: Store
    domains: Domains
    profiles: list[DeviceProfile]
    budgets: dict[str, list[Budget]]
    problems: list[Exception] = field(default_factory=list)

    @property
    def settings(self) -> RunSettings:
        """The run's arguments."""
        return self.folder.record.arguments

    @property
    def provenance(self) -> dict[str, str]:
        """What an exported file says of where it comes from."""
        adaptation = self.settings.adaptation
        return {"data": self.domains.name, "method": adaptation.method, "seed": str(adaptation.seed)}

    def note(self, problem: Exception) -> None:
        """Keep a problem that costs a part of the result, and tell it."""
        self.problems.append(problem)
        self.console.error(str(problem))

    def give_up(self, profile: DeviceProfile, problem: Exception) -> None:
        """Go on without a device."""
        self.note(problem)
        self.profiles.remove(profile)
        if not self.profiles:
            raise NothingLeft

    def rule_out(self, profile: DeviceProfile, misses: Collection[InfeasibleBudget]) -> None:
        """Go on without the budgets that a device cannot meet, and without the device where that leaves none."""
        for miss in misses:
            self.note(miss)
            self.budgets[profile.name].remove(miss.budget)
        if not self.budgets[profile.name]:
            self.profiles.remove(profile)
        if not self.profiles:
            raise NothingLeft


def run_stages(run: Run, target_labels: TargetLabels | None, stages: Collection[str] = STAGES) -> None:
    """Run the given stages; what could not be done is in `run.problems`, the rest is in the run folder.

    Raises NothingLeft where there is no rest.
    """
    if {"adapt", "search"} & set(stages):
        rule_out_the_impossible(run)
    if "adapt" in stages:
        adapt(run)
    if "profile" in stages:
        profile(run)
    if "search" in stages:
        search(run)
    if "report" in stages:
        report(run, target_labels)


def rule_out_the_impossible(run: Run) -> None:
    """Reach every device and drop the budgets that no subnet can meet, before minutes are spent on anything else."""
    bank = new_bank(run)
    with run.folder.timed("checks"), tempfile.TemporaryDirectory() as scratch:
        deployment = Deployment(bank, run.settings.batch_size)
        for profile in list(run.profiles):
            try:
                with connect(profile) as device, run.console.stage(f"checking budgets on {profile.name}") as advance:
                    run.folder.record.devices[profile.name] = device.describe().model_dump()
                    misses = rule_out(run.budgets[profile.name], device, deployment, Path(scratch), run.store, advance)
            except (DeviceError, MeasurementError) as problem:
                run.give_up(profile, problem)
                continue
            run.rule_out(profile, misses)


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
    for profile in list(run.profiles):
        try:
            with connect(profile) as device, run.folder.timed(f"profile {profile.name}"):
                explored(run, device, bank)
        except PARTIAL as problem:
            run.give_up(profile, problem)


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
        found = explore(device, [*subjects.values()], anchor, store=run.store, seed=run.settings.seed, progress=advance)
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
    rows: list[Row] = []
    measurements: list[Measurement] = []
    for profile in list(run.profiles):
        try:
            with connect(profile) as device, run.folder.timed(f"search {profile.name}"):
                results = explored(run, device, bank)
                with run.console.stage(f"searching for {profile.name}") as advance:
                    candidates = find_candidates(bank, scorer, results, run.settings, advance)
                results.upem = dict(scorer.scores)
                results.found_by = {candidate.arch: candidate.chosen_by for candidate in reversed(candidates)}
                verify(run, device, bank, results, candidates)
        except PARTIAL as problem:
            run.give_up(profile, problem)
            continue
        rows += rows_of(results, bank, ComplexityCounter(bank), run.settings.batch_size)
        measurements += results.measurements
        save_measurements(measurements, run.folder.measurements)
        write_csv(mark_front(rows), run.folder.tradeoff)
    run.folder.keep_subnets({row.arch_id for row in rows if row.selected == "yes"})


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
                device, [*subjects.values()], anchor, store=run.store, seed=run.settings.seed, progress=advance
            )
        results.add({arch: found[subject.name] for arch, subject in subjects.items()})
        results.chosen = choose(selections, results, counter)
        for problem in shortfalls(selections, results, counter):
            run.note(problem)
        for arch in dict.fromkeys(results.chosen.values()):
            kept = deployment.subnet(arch, run.domains, run.folder.subnets, run.provenance)
            results.agreement[arch] = deployment.agreement(device, kept, arch, run.domains)
        results.model_bytes = {arch: subject.file.stat().st_size for arch, subject in subjects.items()}


def report(run: Run, target_labels: TargetLabels | None, cautions: Sequence[str] = ()) -> None:
    """Write the trade-off with accuracy where target labels exist - their only use - and draw it, with `cautions`."""
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
    write_page(rows, run.folder.page, title=title, notes=[*run.folder.record.warnings, *cautions])
    for table in closing_tables(rows, width=run.console.width):
        run.console.say(table)
