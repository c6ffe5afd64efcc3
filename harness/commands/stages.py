"""`profile`, `search` and `report`: one stage of the pipeline, on what the stages before it left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import (
    DeviceOptions,
    InferenceOptions,
    LimitOptions,
    StoreOptions,
    TellingOptions,
    only,
    takes,
)

PROFILE = "Measure a spread of subnets on every device; needs an adapted bank."
SEARCH = (
    "Score, choose and verify subnets for the budgets; needs an adapted bank. With limits: what the run has "
    "measured and scored answers them in seconds, by prediction; --measure searches and verifies on the device."
)
REPORT = "Write the report of what search left, with accuracy where target labels exist."


class StageOptions:
    """What a stage is told of the run that it goes on with."""

    run: Annotated[Path, typer.Option("--run", help="Run folder.")]
    device: Annotated[str | None, typer.Option("--device", help="Other devices than the run was asked for.")] = None
    estimate: Annotated[
        bool | None,
        typer.Option(
            "--estimate/--measure",
            help="Costs from published figures, or measured on the devices (default: as the run was asked; a search "
            "with limits only predicts, where the run has measured the devices).",
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
