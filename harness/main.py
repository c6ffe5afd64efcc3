"""From command-line options to a run and back to an exit code (DESIGN section 4)."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from devices import ProfileError, load_profile
from harness import (
    environment,  # noqa: F401 (first)
    processes,
)
from harness.ablation import (
    Plan,
    chosen_experiments,
    chosen_network,
    fetch_task,
    run_ablation,
    warnings,
    write_experiment,
)
from harness.adaptation import find_hardware
from harness.console import Console
from harness.data import DataError, TargetLabels
from harness.exit_codes import code_of, guarded
from harness.files import WriteError
from harness.measuring import Store
from harness.pipeline import STAGES, run_stages
from harness.planning import Planner, is_what_if, profile_roof, refuse_unestimated
from harness.report import ReportError, Row, read_csv
from harness.running import (
    Configuration,
    NothingLeft,
    Run,
    RunError,
    RunFolder,
    RunSettings,
    has_begun,
    held,
    listed,
    missing,
    new_path,
    offered,
    open_run,
    open_store,
    overridden,
    read_record,
    settings_from,
)
from harness.running.inputs import counted, load_inputs
from harness.search import KINDS, parse_budgets
from harness.training import pretrain, pretraining_from, require_tensorboard

#: The stage after each.
FOLLOWING = dict(pairwise(STAGES))

#: What `--json` says of every selected subnet.
SUMMARISED = (
    "device",
    "precision",
    "batch_size",
    "budget",
    "arch_id",
    "widths",
    "macs",
    "model_bytes",
    "host_p50_ms",
    "predicted_ms",
    "peak_memory_mb",
    "energy_mj",
    "cost_source",
    "upem",
    "target_accuracy",
    "within_budget",
    "status",
)


def execute(options: Mapping[str, Any], stages: list[str] | None) -> int:
    """Run what the command line asked for and return the exit code; errors are one sentence unless `debug`.

    Under torchrun rank 0 does; the other processes train and score with it, and speak only where they fail themselves.
    """

    def work() -> int:
        with processes.joined() as commanding:
            return _executed(options, stages) if commanding else 0

    return guarded(work, Console(quiet=True), lambda: "the same command", options["debug"])


def _executed(options: Mapping[str, Any], stages: list[str] | None) -> int:
    console, debug = Console(quiet=options["quiet"]), options["debug"]
    path: Path = options["run"] or new_path()
    resuming = _command(path, options["store"], "pretrain" if stages == ["pretrain"] else "") + " --resume"
    told: dict[str, Any] = {"run": str(path)}

    def again() -> str:
        return resuming if (path / "run.json").exists() else "the same command"

    def whole() -> int:
        with open_run(path, settings_asked(options, stages)) as folder:
            if stages == ["search"] and (planner := _planner(folder, options)):
                answers = planner.answer(console, options)
                told["answers"] = answers.found
                return code_of(answers.problems)
            code = guarded(lambda: _carry_out(folder, console, options["store"], stages), console, again, debug)
            if folder.saved:
                _keep_errors(folder, console.errors)
                with suppress(ReportError) if console.errors else nullcontext():
                    told.update(summary(folder))
            return code

    code = guarded(whole, console, again, debug)
    if options["as_json"]:
        print(json.dumps({**told, "exit_code": code, "errors": console.errors}))
    return code


def _command(path: Path, store: Path | None, stage: str) -> str:
    """Return what goes on with a run, for the terminal."""
    kept = ["--store", str(store)] if store else []
    return shlex.join(["python", "benchmark.py", *([stage] if stage else []), "--run", str(path), *kept])


def _keep_errors(folder: RunFolder, errors: Sequence[str]) -> None:
    """Write them into run.json; where there are any, a disk that does not take it has been told of."""
    folder.record.errors = list(errors)
    with suppress(WriteError) if errors else nullcontext():
        folder.save()


def _carry_out(folder: RunFolder, console: Console, store: Path | None, stages: list[str] | None) -> int:
    run, target_labels = prepare(folder, console, open_store(store))
    console.say(f"run folder: {folder.path}")
    if stages == ["pretrain"]:
        pretrain(run)
        return 0
    with suppress(NothingLeft):
        run_stages(run, target_labels, stages or STAGES)
        if stages and stages[0] in FOLLOWING and not run.problems:
            console.say(f"next: {_command(folder.path, store, FOLLOWING[stages[0]])}")
    return code_of(run.problems)


def _planner(folder: RunFolder, options: Mapping[str, Any]) -> Planner | None:
    """Return what answers a search without the device; None where it is to be measured or estimated, or has to be."""
    settings = folder.record.arguments
    return Planner.of(folder, configurations(settings)) if is_what_if(options) and not settings.estimate else None


def execute_ablation(options: Mapping[str, Any]) -> int:
    """Run the experiments over tasks and seeds, write their tables and pictures, and return the exit code."""
    console = Console(quiet=options["quiet"])
    path: Path = options["run"] or Path("runs") / "ablation"

    def work() -> int:
        settings = settings_from({**options, "seed": 0})
        methods = listed(options["methods"]) if options["methods"] else None
        plan = Plan(
            tasks=listed(options["tasks"]),
            experiments=chosen_experiments(listed(options["experiments"]), methods, correlation=options["correlation"]),
            seeds=tuple(range(options["seeds"])),
            settings=settings.adaptation,
            data_root=options["data_root"],
            folder=path,
            evaluations=settings.effort.evaluations,
            score_images=settings.effort.score_images,
            network=chosen_network(settings.model, settings.image_size, settings.weights),
            quick=settings.quick,
        )
        if options["download"]:
            for task in plan.tasks:
                fetch_task(task, plan.data_root)
        with held(path):
            with console.stage("ablation: trainings") as advance:
                run_ablation(plan, options["jobs"], advance)
            for warning in warnings(plan):
                console.warn(warning)
            for experiment in plan.experiments:
                console.say(write_experiment(plan, experiment))
        console.say(f"tables and pictures: {path}/*.md, *.csv, *.png")
        return 0

    again = f"python benchmark.py ablation --run {path} with the same options"
    return guarded(work, console, lambda: again, options["debug"])


def configurations(settings: RunSettings) -> list[Configuration]:
    """Return every device that is asked for, in each precision and batch size, with all budgets.

    Raises ProfileError and BudgetError.
    """
    profiles = [load_profile(name) for name in settings.devices]
    for name, count in Counter(profile.name for profile in profiles).items():
        if count > 1:
            raise ProfileError(f"--device names {name} {count} times; each device can be asked for once")
    profiles = [overridden(profile, settings.host, settings.threads) for profile in profiles]
    budgets = parse_budgets({kind: getattr(settings, kind.setting) for kind in KINDS})
    return [
        Configuration(profile, precision, batch_size, list(budgets))
        for profile in profiles
        for precision in offered(profile, settings.precisions)
        for batch_size in settings.batch_size
    ]


def prepare(folder: RunFolder, console: Console, store: Store) -> tuple[Run, TargetLabels | None]:
    """Validate everything that a run is given before anything is done: profiles, budgets, images."""
    settings = folder.record.arguments
    asked = configurations(settings)
    find_hardware(settings.train_device, settings.train_precision)
    if settings.tensorboard:
        require_tensorboard()
    if settings.estimate:
        refuse_unestimated(asked[0].budgets)
        for configuration in asked:
            profile_roof(configuration.profile, configuration.precision)
    for profile in {configuration.profile.name: configuration.profile for configuration in asked}.values():
        for precision in missing(profile, settings.precisions):
            console.warn(f"{profile.name} goes without {precision}: it offers {', '.join(profile.precisions)}")
    with console.stage("reading the images") as advance, folder.timed("data"):
        domains, target_labels = load_inputs(settings, advance)
    console.say(counted(settings, domains))
    digest = {"name": domains.name, "digest": domains.digest}
    if folder.record.data not in ({}, digest):
        raise DataError(f"the images are no longer those that the run in {folder.path} began with; start a new run.")
    folder.record.data = digest
    return Run(folder, console, store, domains, asked), target_labels


def summary(folder: RunFolder) -> dict[str, Any]:
    """Return what `--json` says of a run beside how it ended: warnings, times, the selected subnets, and baselines."""
    rows = read_csv(folder.tradeoff) if folder.tradeoff.is_file() else []
    baselines = folder.record.baselines

    def summarised(row: Row) -> dict[str, Any]:
        return {name: getattr(row, name) for name in SUMMARISED}

    return {
        "warnings": folder.record.warnings,
        "seconds": folder.record.seconds,
        **({"source_accuracy": folder.record.source_accuracy} if folder.record.arguments.pretraining else {}),
        "selected": [summarised(row) for row in rows if row.selected == "yes"],
        "baselines": [
            {"name": baselines[row.arch_id].name, **summarised(row)} for row in rows if row.arch_id in baselines
        ],
    }


def settings_asked(options: Mapping[str, Any], stages: list[str] | None) -> RunSettings | None:
    """Return the settings that options of a command ask for; None for those that the run folder holds."""
    path: Path | None = options["run"]
    if stages and stages not in (["adapt"], ["pretrain"]):
        assert path is not None
        changed = [*(kind.setting for kind in KINDS), "batch_size", "estimate"]
        given = {name: value for name, value in options.items() if value is not None}
        changes = {name: given[name] for name in changed if name in given}
        if "precision" in given:
            changes["precisions"] = listed(given["precision"])
        if given.get("device"):
            changes |= {"devices": listed(given["device"]), "host": given.get("host")}
        elif given.get("host"):
            changes["host"] = options["host"]
        found = read_record(path).arguments
        return RunSettings.model_validate({**found.model_dump(), **changes}) if changes else None
    read = pretraining_from if stages == ["pretrain"] else settings_from
    asked = read(options)
    if not options["resume"]:
        if path is not None and has_begun(path):
            raise RunError(f"{path} already holds a run; add --resume to go on with it, or choose another --run")
        return asked
    if path is None:
        raise RunError("--resume needs --run: the folder of the run to go on with")
    found = read_record(path).arguments
    if found.pretraining != asked.pretraining:
        kinds = ("an adaptation", "a pretraining")
        raise RunError(f"{path} holds {kinds[found.pretraining]}, not {kinds[asked.pretraining]}; resume it as that")
    if asked not in (found, read({})):
        raise RunError(f"{path} holds a run with other arguments; resume it without any, or with the same")
    return None
