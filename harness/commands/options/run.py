"""Options of the run itself: its folder, what it keeps, and what it tells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.panels import RUNNING


class RunOptions:
    """The run and its folder."""

    run: Annotated[
        Path | None,
        typer.Option(
            "--run", metavar="DIR", help="Run folder (default: a new one under runs/).", rich_help_panel=RUNNING
        ),
    ] = None
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run in --run, as it was asked for.", rich_help_panel=RUNNING),
    ] = False
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="A minute's tour: short training and search, for trying and testing.",
            rich_help_panel=RUNNING,
        ),
    ] = False
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            min=0,
            max=2**32 - 1,
            metavar="N",
            help="Seed of everything that is drawn.",
            rich_help_panel=RUNNING,
        ),
    ] = 0


class StoreOptions:
    """What is kept across runs."""

    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            metavar="FILE",
            help="File that keeps measurements across runs (default: in the user's cache).",
            rich_help_panel=RUNNING,
        ),
    ] = None


class TellingOptions:
    """What is told, and how."""

    as_json: Annotated[
        bool, typer.Option("--json", help="End with one line of JSON on standard output.", rich_help_panel=RUNNING)
    ] = False
    quiet: Annotated[bool, typer.Option("--quiet", help="Only warnings and errors.", rich_help_panel=RUNNING)] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.", rich_help_panel=RUNNING)] = False
