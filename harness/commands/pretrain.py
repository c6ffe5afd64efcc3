"""`pretrain`: a slimmable bank from labelled images."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.commands.options import (
    ADAPTATION,
    DataOptions,
    RunOptions,
    ScheduleOptions,
    TellingOptions,
    TrainingOptions,
    only,
    takes,
)


class LengthOptions:
    """How long is trained."""

    iterations: Annotated[
        int | None,
        typer.Option(
            "--iterations", min=1, metavar="N", help="Steps, in place of --epochs.", rich_help_panel=ADAPTATION
        ),
    ] = None
    epochs: Annotated[
        float | None,
        typer.Option(
            "--epochs",
            metavar="N",
            help="Passes over the images (default: 30).",
            rich_help_panel=ADAPTATION,
        ),
    ] = None


@takes(
    only(DataOptions, "source", "image_size", "model", "weights", "data_root", "download", "workers"),
    LengthOptions,
    only(ScheduleOptions, "train_batch_size", "model_batch", "learning_rate"),
    TrainingOptions,
    RunOptions,
    TellingOptions,
)
def pretrain(context: typer.Context) -> None:
    """Train a slimmable bank on labelled images: sandwich rule and in-place distillation (US-Nets).

    Leaves it in the run folder's bank/, with its accuracy on held-out images at a few widths.
    """
    from harness.main import execute

    raise typer.Exit(execute({**context.params, "store": None}, ["pretrain"]))
