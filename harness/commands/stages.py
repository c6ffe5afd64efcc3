"""`profile`, `search` and `report`: one stage of the pipeline, on what the stages before it left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import (
    DEVICES,
    MEASURING,
    RUNNING,
    DeviceOptions,
    InferenceOptions,
    LimitOptions,
    StoreOptions,
    TellingOptions,
    only,
    takes,
)

PROFILE = (
    "Measure a spread of subnets on every device of a run, and fit its cost model; needs an adapted bank. What is not "
    "given is as the run was asked for."
)
SEARCH = (
    "Score, choose, verify and export subnets for the budgets; needs an adapted bank. What is not given is as the run "
    "was asked for. With limits: what the run has measured and scored answers them in seconds, by prediction; "
    "--measure searches and verifies on the device."
)


class StageOptions:
    """What a stage is told of the run that it goes on with."""

    run: Annotated[Path, typer.Option("--run", metavar="DIR", help="Run folder.", rich_help_panel=RUNNING)]
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="NAME,...",
            help="Other devices than the run was asked for.",
            rich_help_panel=DEVICES,
        ),
    ] = None
    estimate: Annotated[
        bool | None,
        typer.Option(
            "--estimate/--measure",
            help="Costs from published figures, or measured on the devices (default: as the run was asked; a search "
            "with limits only predicts, where the run has measured the devices).",
            rich_help_panel=MEASURING,
        ),
    ] = None


@takes(
    only(StageOptions, "run", "device"),
    only(DeviceOptions, "host"),
    only(InferenceOptions, "precision", "batch_size"),
    LimitOptions,
    only(StageOptions, "estimate"),
    StoreOptions,
    TellingOptions,
)
def stage(context: typer.Context) -> None:
    """One stage, on what the stages before it left in the run folder."""
    from harness.main import execute

    raise typer.Exit(execute(context.params, [str(context.info_name)]))


@takes(only(StageOptions, "run"), StoreOptions, TellingOptions)
def report(context: typer.Context) -> None:
    """Write picture, page and closing table of what search left, with accuracy where target labels exist."""
    from harness.main import execute

    raise typer.Exit(execute(context.params, ["report"]))
