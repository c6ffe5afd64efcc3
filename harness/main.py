"""From command-line options to a run and back to an exit code (DESIGN section 4)."""

from __future__ import annotations

import json
import os
import shlex
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# Read when torch and ONNX Runtime are loaded. ONNX Runtime's Linux wheel reports home otherwise. OpenMP's threads spin
# for milliseconds while they wait, which beside other work makes training several times slower; told to sleep at once
# they make it twice as slow on an idle machine. Some ten microseconds are right on both.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

from pydantic import ValidationError

from devices import DeviceError, DeviceProfile, Precision, ProfileError, known_profiles, load_profile
from harness.ablation import AblationError, Plan, chosen_methods, run_ablation, write_cells
from harness.adaptation import AdaptationDiverged, CheckpointError
from harness.bank import BankError
from harness.console import Console
from harness.data import DataError, TargetLabels
from harness.estimating import profile_roof
from harness.export import ExportMismatch, PrecisionError
from harness.inputs import load_inputs
from harness.measuring import MeasurementError, Store
from harness.pipeline import STAGES, run_stages
from harness.report import ReportError, read_csv
from harness.run import Configuration, NothingLeft, Run
from harness.run_folder import RunError, RunFolder, has_begun, new_path, open_run, read_record
from harness.search import COMPUTE, LATENCY, BudgetError, InfeasibleBudget, parse_budgets
from harness.selfcheck import lines, selfcheck
from harness.settings import RunSettings, listed, settings_from
from harness.survey import survey, table, what_is_missing

INTERNAL, UNREACHABLE, INTERRUPTED = 1, 3, 130

#: What `--json` says of every selected subnet.
SUMMARISED = (
    "device",
    "budget",
    "arch_id",
    "widths",
    "macs",
    "host_p50_ms",
    "predicted_ms",
    "cost_source",
    "upem",
    "target_accuracy",
    "within_budget",
    "status",
)

#: Options that are not called what their argument is in run.json.
OPTIONS = {"precisions": "precision"}

#: Exit codes, in the order in which the first that occurred is taken; usage errors end a run at once.
CODES: dict[int, tuple[type[Exception], ...]] = {
    2: (
        AblationError,
        ProfileError,
        DataError,
        BankError,
        BudgetError,
        RunError,
        ReportError,
        CheckpointError,
        ValidationError,
    ),
    3: (DeviceError,),
    5: (MeasurementError, ExportMismatch, PrecisionError, AdaptationDiverged),
    4: (InfeasibleBudget,),
}


def execute(options: Mapping[str, Any], stages: list[str] | None) -> int:
    """Run what the command line asked for and return the exit code; errors are one sentence unless `debug`."""
    console, debug = Console(quiet=options["quiet"]), options["debug"]
    path: Path = options["run"] or new_path()
    place = ["--run", str(path), *(["--store", str(options["store"])] if options["store"] else [])]
    again = shlex.join(["python", "benchmark.py", *place, "--resume"])
    told: dict[str, Any] = {"run": str(path)}

    def whole() -> int:
        with open_run(path, _asked(options, stages)) as folder:
            code = guarded(lambda: _carry_out(folder, console, options["store"], stages), console, again, debug)
            if folder.saved:
                folder.record.errors = list(console.errors)
                folder.save()
                told.update(summary(folder))
            return code

    code = guarded(whole, console, again, debug)
    if options["as_json"]:
        print(json.dumps({**told, "exit_code": code, "errors": console.errors}))
    return code


def _carry_out(folder: RunFolder, console: Console, store: Path | None, stages: list[str] | None) -> int:
    run, target_labels = prepare(folder, console, _opened(store))
    console.say(f"run folder: {folder.path}")
    with suppress(NothingLeft):
        run_stages(run, target_labels, stages or STAGES)
    return code_of(run.problems)


def _opened(path: Path | None) -> Store:
    """Open the store; a file that cannot be one is a matter of usage, not of measuring."""
    try:
        return Store(path)
    except MeasurementError as error:
        raise RunError(str(error)) from error


def execute_ablation(options: Mapping[str, Any]) -> int:
    """Run the ladder over tasks and seeds, write its tables and picture, and return the exit code."""
    console = Console(quiet=options["quiet"])
    path: Path = options["run"] or Path("runs") / "ablation"

    def work() -> int:
        plan = Plan(
            tasks=tuple(options["tasks"].split(",")),
            methods=chosen_methods(options["methods"].split(",") if options["methods"] else None),
            seeds=tuple(range(options["seeds"])),
            settings=settings_from({**options, "seed": 0}).adaptation,
            data_root=options["data_root"],
            folder=path,
        )
        with console.stage("ablation: trainings") as advance:
            cells = run_ablation(plan, options["jobs"], advance)
        for cell in cells:
            for warning in cell.warnings:
                console.warn(f"{cell.outcomes[0].task}, seed {cell.settings.seed}, {cell.settings.method}: {warning}")
        console.say(write_cells(plan, cells))
        console.say(f"written to {path}: ablation.md, ablation.csv, upem.csv, ablation.png")
        return 0

    return guarded(work, console, f"python benchmark.py ablation --run {path} with the same options", options["debug"])


def execute_devices(options: Mapping[str, Any]) -> int:
    """Say which devices answer and what was found on them; return the exit code."""
    console = Console(quiet=options["quiet"])

    def work() -> int:
        asked = options["device"]
        names: Iterable[str] = listed(asked) if asked else known_profiles()
        profiles = [overridden(load_profile(name), options["host"], None) for name in names]
        found = survey(profiles, console)
        console.say(table(found))
        for line in what_is_missing(found):
            console.say(line)
        if options["as_json"]:
            print(json.dumps([device.model_dump(mode="json") for device in found]))
        return UNREACHABLE if asked and any(device.status != "ready" for device in found) else 0

    return guarded(work, console, "python benchmark.py devices", options["debug"])


def execute_selfcheck(options: Mapping[str, Any]) -> int:
    """Check whether devices can give honest numbers now; return the exit code."""
    console = Console(quiet=options["quiet"])

    def work() -> int:
        checked, problems = [], []
        for name in listed(options["device"]):
            profile = overridden(load_profile(name), options["host"], options["threads"])
            try:
                found = selfcheck(profile, console, _opened(options["store"]), quick=options["quick"])
            except (DeviceError, MeasurementError) as problem:
                problems.append(problem)
                console.error(str(problem))
                continue
            checked.append(found)
            for line in lines(found):
                console.say(line)
            for problem_found, advice in found.findings:
                console.warn(f"{problem_found}. {advice}")
            if found.verdict:
                problems.append(MeasurementError(found.verdict))
                console.error(f"{found.device} cannot give honest numbers now: {found.verdict}")
        if options["as_json"]:
            print(json.dumps({"checked": [found.model_dump(mode="json") for found in checked]}))
        return code_of(problems)

    return guarded(work, console, f"python benchmark.py selfcheck --device {options['device']}", options["debug"])


def guarded(work: Callable[[], int], console: Console, again: str, debug: bool) -> int:
    """Return what `work` returns, or the exit code of what it raises, told in one sentence."""
    try:
        return work()
    except KeyboardInterrupt:
        console.error(f"interrupted; go on with: {again}")
        return INTERRUPTED
    except Exception as error:
        if debug:
            traceback.print_exc()
        code = code_of([error])
        hint = "" if code != INTERNAL else " (an internal error; --debug shows where)"
        console.error(sentence(error) + hint)
        return code


def prepare(folder: RunFolder, console: Console, store: Store) -> tuple[Run, TargetLabels | None]:
    """Validate everything that a run is given before anything is done: profiles, budgets, images."""
    settings = folder.record.arguments
    profiles = [load_profile(name) for name in settings.devices]
    for name, count in Counter(profile.name for profile in profiles).items():
        if count > 1:
            raise ProfileError(f"--device names {name} {count} times; each device can be asked for once")
    profiles = [overridden(profile, settings.host, settings.threads) for profile in profiles]
    if settings.estimate:
        for profile in profiles:
            for precision in offered(profile, settings.precisions):
                profile_roof(profile, precision)
    for profile in profiles:
        for precision in missing(profile, settings.precisions):
            console.warn(f"{profile.name} goes without {precision}: it offers {', '.join(profile.precisions)}")
    budgets = parse_budgets({COMPUTE: settings.budgets, LATENCY: settings.latency_ms})
    with console.stage("reading the images") as advance, folder.timed("data"):
        domains, target_labels = load_inputs(settings, advance)
    digest = {"name": domains.name, "digest": domains.digest}
    if folder.record.data not in ({}, digest):
        raise DataError(f"the images are no longer those that the run in {folder.path} began with; start a new run.")
    folder.record.data = digest
    configurations = [
        Configuration(profile, precision, list(budgets))
        for profile in profiles
        for precision in offered(profile, settings.precisions)
    ]
    return Run(folder, console, store, domains, configurations), target_labels


def offered(profile: DeviceProfile, asked: Sequence[Precision]) -> list[Precision]:
    """Return those of the precisions asked for that a device's profile offers; ProfileError where there is none."""
    found = [precision for precision in dict.fromkeys(asked) if precision in profile.precisions]
    if not found:
        has = ", ".join(profile.precisions)
        raise ProfileError(f"{profile.name} offers {has}, and --precision asks for {', '.join(asked)}")
    return found


def missing(profile: DeviceProfile, asked: Sequence[Precision]) -> list[Precision]:
    """Return those of the precisions asked for that a device's profile, which offers others of them, does not."""
    able = offered(profile, asked)
    return [precision for precision in dict.fromkeys(asked) if precision not in able]


def overridden(profile: DeviceProfile, host: str | None, threads: int | None) -> DeviceProfile:
    """Return a profile with what the command line says in place of its own."""
    if host is not None and profile.transport == "local":
        raise ProfileError(f"{profile.name} is this machine, so --host cannot name another; use --device ssh-cpu")
    given = {"host": host, "threads": threads}
    return profile.override(**{name: value for name, value in given.items() if value is not None})


def code_of(problems: Iterable[Exception]) -> int:
    """Return the exit code for what went wrong: 0 for nothing, 1 for what has no code of its own."""
    found = list(problems)
    for code, kinds in CODES.items():
        if any(isinstance(problem, kinds) for problem in found):
            return code
    return INTERNAL if found else 0


def sentence(error: Exception) -> str:
    """Return an error's message on one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        fields = [part for part in first["loc"] if isinstance(part, str)]  # the others are places in a comma list
        where = "".join(f"--{OPTIONS.get(part, part)}: " for part in fields[-1:]).replace("_", "-")
        return f"{where}{first['msg']}".replace("Value error, ", "")
    text = " ".join(str(error).split())
    return text or type(error).__name__


def summary(folder: RunFolder) -> dict[str, Any]:
    """Return what `--json` says of a run beside how it ended: warnings, times, and the selected subnets."""
    rows = read_csv(folder.tradeoff) if folder.tradeoff.exists() else []
    return {
        "warnings": folder.record.warnings,
        "seconds": folder.record.seconds,
        "selected": [{name: getattr(row, name) for name in SUMMARISED} for row in rows if row.selected == "yes"],
    }


def _asked(options: Mapping[str, Any], stages: list[str] | None) -> RunSettings | None:
    """Return the settings to run with; None for those that the run folder holds."""
    path: Path | None = options["run"]
    if stages and stages != ["adapt"]:
        assert path is not None
        changes = {name: options[name] for name in ("budgets", "latency_ms", "estimate") if options[name] is not None}
        if options["precision"] is not None:
            changes["precisions"] = listed(options["precision"])
        if options["device"]:
            changes |= {"devices": listed(options["device"]), "host": options["host"]}
        elif options["host"]:
            changes["host"] = options["host"]
        found = read_record(path).arguments
        return RunSettings.model_validate({**found.model_dump(), **changes}) if changes else None
    asked = settings_from(options)
    if not options["resume"]:
        if path is not None and has_begun(path):
            raise RunError(f"{path} already holds a run; add --resume to go on with it, or choose another --run")
        return asked
    if path is None:
        raise RunError("--resume needs --run: the folder of the run to go on with")
    found = read_record(path).arguments
    if asked not in (found, settings_from({})):
        raise RunError(f"{path} holds a run with other arguments; resume it without any, or with the same")
    return None
