"""The command `compare`: options to an exit code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import environment  # noqa: F401 (first)
from harness.comparing.finished import FinishedRun, read_run
from harness.comparing.lines import Line, compare_runs
from harness.comparing.showing import csv_text, markdown, summary, terminal_tables
from harness.console import Console
from harness.exit_codes import INTERNAL, code_of, guarded
from harness.files import write_whole
from harness.measuring import MeasurementError
from harness.running import RunError

REGRESSION = INTERNAL
"""DESIGN section 4 gives both the same code."""


def execute_compare(options: Mapping[str, Any]) -> int:
    """Compare runs with the first of them, show and write what is found, and return the exit code."""
    console = Console(quiet=options["quiet"])
    told: dict[str, Any] = {}

    def work() -> int:
        percent = float(options["threshold"])
        threshold = f"the larger of {percent:g}% and 3 µs"
        first, *others = _finished([Path(run) for run in options["runs"]])
        lines = [line for other in others for line in _in_common(first, other, percent / 100)]
        ending = summary(lines, threshold)
        told.update(compared=[asdict(line) for line in lines], regressions=sum(line.regression for line in lines))
        for run in others:
            if None not in (first.protocol, run.protocol) and first.protocol != run.protocol:
                console.warn(
                    f"{first.path} and {run.path} were measured by different versions of the protocol "
                    f"({first.protocol} and {run.protocol}); a difference may be of that"
                )
        for table in terminal_tables(lines):
            console.say(table)
        console.say(ending)
        for name, text in (("csv", csv_text(lines)), ("markdown", markdown(lines, ending))):
            if options[name] is not None:
                write_whole(Path(options[name]), text.encode())
        return _end(lines, console, threshold, gate=options["fail_on_regression"])

    code = guarded(work, console, lambda: "python benchmark.py compare with the same options", options["debug"])
    if options["as_json"]:
        print(json.dumps({**told, "exit_code": code, "errors": console.errors}))
    return code


def _finished(paths: Sequence[Path]) -> list[FinishedRun]:
    if len(paths) < 2:
        raise RunError("compare takes at least two run folders: the first is what the others are held against")
    if len({path.resolve() for path in paths}) < len(paths):
        raise RunError("compare was given the same run folder twice")
    return [read_run(path) for path in paths]


def _in_common(before: FinishedRun, after: FinishedRun, share: float) -> list[Line]:
    lines = compare_runs(before, after, share)
    if not lines:
        raise RunError(
            f"the runs in {before.path} and {after.path} have nothing in common to compare: no subnet that both have "
            "measured over several processes, and no budget, in one precision and at one batch size"
        )
    return lines


def _end(lines: Sequence[Line], console: Console, threshold: str, *, gate: bool) -> int:
    """Return the exit code: for a gate, what has become slower counts, and so does what now fails."""
    if all(line.verdict == "not compared" for line in lines):
        undecided = MeasurementError(f"nothing could be compared: {lines[0].name}: {lines[0].reason}")
        console.error(str(undecided))
        return code_of([undecided])
    slower = [line for line in lines if line.regression]
    if gate and slower:
        console.error(f"slower by more than {threshold}: {', '.join(dict.fromkeys(line.name for line in slower))}")
        return REGRESSION
    failed = [line for line in lines if line.failed_now]
    if gate and failed:
        problem = MeasurementError(f"failed in the later run: {', '.join(dict.fromkeys(line.name for line in failed))}")
        console.error(str(problem))
        return code_of([problem])
    return 0
