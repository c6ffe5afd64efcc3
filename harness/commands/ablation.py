"""`ablation`: the experiments over tasks and seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import DataOptions, RunOptions, ScheduleOptions, TellingOptions, only, takes


class ExperimentOptions:
    """Which experiments, over what."""

    tasks: Annotated[str, typer.Option("--tasks", help="digits, mnist-usps, usps-mnist, or pairs: svhn->mnist.")] = (
        "digits"
    )
    experiments: Annotated[
        str,
        typer.Option(
            "--experiments",
            help="ladder, confidence, temperature, model-batch, knowledge-weight, heads, adapted-head, upem, search, "
            "convergence.",
        ),
    ] = "ladder"
    methods: Annotated[
        str | None, typer.Option("--methods", "--method", help="Rungs of the ladder, comma-separated (default: all).")
    ] = None
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds, from 0.")] = 5
    data_root: Annotated[Path | None, typer.Option("--data-root", help="Folder that holds the data sets.")] = None
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Tasks and seeds trained at the same time.")] = 2


class FolderOptions:
    """Where trainings are kept."""

    run: Annotated[Path | None, typer.Option("--run", help="Folder (default: runs/ablation); resumes there.")] = None


@takes(
    ExperimentOptions,
    only(DataOptions, "download", "model", "weights", "image_size"),
    ScheduleOptions,
    FolderOptions,
    only(RunOptions, "quick"),
    only(TellingOptions, "quiet", "debug"),
)
def ablation(context: typer.Context) -> None:
    """The experiments over tasks and seeds, the ladder of methods by default: tables, paired gains, pictures.

    Finished trainings are kept in the folder and shared by experiments, so the same command resumes.
    """
    from harness.main import execute_ablation

    raise typer.Exit(execute_ablation(context.params))
