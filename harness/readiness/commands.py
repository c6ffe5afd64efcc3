"""The commands about devices alone: `devices` and `selfcheck`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from devices import DeviceError, known_profiles, load_profile
from harness import environment  # noqa: F401 (first)
from harness.console import Console
from harness.exit_codes import UNREACHABLE, code_of, guarded
from harness.measuring import MeasurementError
from harness.readiness.selfcheck import SelfCheck, lines, selfcheck
from harness.readiness.survey import survey, table, what_is_missing
from harness.running import listed, open_store, overridden


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

    return guarded(work, console, lambda: "python benchmark.py devices", options["debug"])


def execute_selfcheck(options: Mapping[str, Any]) -> int:
    """Check whether devices can give honest numbers now; return the exit code."""
    console = Console(quiet=options["quiet"])

    def work() -> int:
        checked: list[SelfCheck] = []
        problems: list[Exception] = []

        def note(problem: Exception) -> None:
            problems.append(problem)
            console.error(str(problem))

        for name in listed(options["device"]):
            profile = overridden(load_profile(name), options["host"], options["threads"])
            try:
                found = selfcheck(profile, console, open_store(options["store"]), note=note, quick=options["quick"])
            except (DeviceError, MeasurementError) as problem:
                note(problem)
                continue
            checked.append(found)
            for line in lines(found):
                console.say(line)
            for fence in found.fences:
                if not fence.within:
                    console.warn(f"{found.device}: {fence.model} in {fence.precision} is far from what is published")
            for problem_found, advice in found.findings:
                console.warn(f"{problem_found}. {advice}")
            if found.verdict:
                problems.append(MeasurementError(found.verdict))
                console.error(f"{found.device} cannot give honest numbers now: {found.verdict}")
        if options["as_json"]:
            print(json.dumps({"checked": [found.model_dump(mode="json") for found in checked]}))
        return code_of(problems)

    again = f"python benchmark.py selfcheck --device {options['device']}"
    return guarded(work, console, lambda: again, options["debug"])
