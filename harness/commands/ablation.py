"""`ablation`: the experiments over tasks and seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import (
    EXPERIMENTS,
    RUNNING,
    DataOptions,
    RunOptions,
    ScheduleOptions,
    TellingOptions,
    TrainingOptions,
    only,
    takes,
)


class ExperimentOptions:
    """Which experiments, over what."""

    experiments: Annotated[
        str,
        typer.Option(
            "--experiments",
            metavar="NAME,...",
            help="ladder, confidence, temperature, model-batch, knowledge-weight, heads, moving-heads, "
            "adapted-head, entropy-weight, upem, search, convergence.",
            rich_help_panel=EXPERIMENTS,
        ),
    ] = "ladder"
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods",
            "--method",
            metavar="NAME,...",
            help="Rungs of the ladder (default: all).",
            rich_help_panel=EXPERIMENTS,
        ),
    ] = None
    correlation: Annotated[
        bool,
        typer.Option(
            "--correlation/--no-correlation",
            help="Hold UPEM against accuracy too, on 108 random subnets of each slimda bank (default); slow where "
            "test sets are large.",
            show_default=False,
            rich_help_panel=EXPERIMENTS,
        ),
    ] = True
    tasks: Annotated[
        str,
        typer.Option(
            "--tasks",
            metavar="TASK,...",
            help="digits, mnist-usps, usps-mnist, or pairs: 'svhn->mnist'.",
            rich_help_panel=EXPERIMENTS,
        ),
    ] = "digits"
    seeds: Annotated[
        int,
        typer.Option("--seeds", min=1, metavar="N", help="How many seeds, from 0.", rich_help_panel=EXPERIMENTS),
    ] = 5
    data_root: Annotated[
        Path | None,
        typer.Option(
            "--data-root", metavar="DIR", help="Folder that holds the data sets.", rich_help_panel=EXPERIMENTS
        ),
    ] = None
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            min=1,
            metavar="N",
            help="Tasks and seeds trained at the same time.",
            rich_help_panel=EXPERIMENTS,
        ),
    ] = 2


class FolderOptions:
    """Where trainings are kept."""

    run: Annotated[
        Path | None,
        typer.Option(
            "--run", metavar="DIR", help="Folder (default: runs/ablation); resumes there.", rich_help_panel=RUNNING
        ),
    ] = None


@takes(
    ExperimentOptions,
    only(DataOptions, "download", "model", "weights", "image_size"),
    ScheduleOptions,
    only(TrainingOptions, "train_device", "train_precision"),
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
