"""From options, of the command line or the library, to a run: all is validated before anything is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devices import ProfileError, load_profile
from harness.adaptation import find_hardware
from harness.console import Console
from harness.data import DataError, TargetLabels
from harness.measuring import Store
from harness.planning import profile_roof, refuse_unestimated
from harness.running import (
    Configuration,
    Run,
    RunError,
    RunFolder,
    RunSettings,
    has_begun,
    listed,
    missing,
    offered,
    overridden,
    read_record,
    settings_from,
)
from harness.running.inputs import counted, load_inputs
from harness.search import KINDS, parse_budgets
from harness.training import pretraining_from, require_tensorboard


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
