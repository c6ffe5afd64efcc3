"""The commands that do work: from options to what was asked for, and back to an exit code (DESIGN section 4)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

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
from harness.exit_codes import code_of, guarded
from harness.files import WriteError
from harness.pipeline import STAGES, run_stages
from harness.planning import Planner, is_what_if
from harness.preparing import configurations, prepare, settings_asked
from harness.report import ReportError, Row, read_csv
from harness.running import (
    NothingLeft,
    RunFolder,
    held,
    listed,
    new_path,
    open_run,
    open_store,
    settings_from,
)
from harness.training import pretrain

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
            code = guarded(lambda: _carry_out(folder, console, options, stages), console, again, debug)
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


def _carry_out(folder: RunFolder, console: Console, options: Mapping[str, Any], stages: list[str] | None) -> int:
    store: Path | None = options["store"]
    run, target_labels = prepare(folder, console, open_store(store, resuming=bool(options.get("resume"))))
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
            tasks=tuple(dict.fromkeys(listed(options["tasks"]))),
            experiments=chosen_experiments(listed(options["experiments"]), methods, correlation=options["correlation"]),
            seeds=tuple(range(options["seeds"])),
            settings=settings.adaptation,
            data_root=options["data_root"],
            folder=path,
            evaluations=settings.effort.evaluations,
            score_images=settings.effort.score_images,
            network=chosen_network(settings.model, settings.image_size, settings.weights),
            hardware=find_hardware(settings.train_device, settings.train_precision),
            quick=settings.quick,
        )
        if options["download"]:
            for task in plan.tasks:
                fetch_task(task, plan.data_root)
        with held(path):
            with console.stage("ablation: trainings") as advance:
                diverged = run_ablation(plan, options["jobs"], advance)
            for problem in diverged:
                console.error(str(problem))
            for warning in warnings(plan):
                console.warn(warning)
            for experiment in plan.experiments:
                console.say(write_experiment(plan, experiment))
        console.say(f"tables and pictures: {path}/*.md, *.csv, *.png")
        return code_of(diverged)

    again = f"python benchmark.py ablation --run {path} with the same options"
    return guarded(work, console, lambda: again, options["debug"])


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
