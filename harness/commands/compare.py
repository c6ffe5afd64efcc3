"""`compare`: what got faster, slower, or did not change between runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import COMPARISON, TellingOptions, takes


class CompareOptions:
    """What is compared, and what is made of it."""

    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="Run folders: the first is what the others are held against.",
            rich_help_panel=COMPARISON,
        ),
    ]
    fail_on_regression: Annotated[
        bool,
        typer.Option(
            "--fail-on-regression",
            help="Exit code 1 where something is slower beyond its interval, and by more than --threshold.",
            rich_help_panel=COMPARISON,
        ),
    ] = False
    threshold: Annotated[
        float,
        typer.Option(
            "--threshold",
            min=0.0,
            metavar="PERCENT",
            help="What slower has to be above to be a regression; 3 microseconds, where that is more.",
            rich_help_panel=COMPARISON,
        ),
    ] = 2.0
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="FILE", help="Write the comparison into this CSV file.", rich_help_panel=COMPARISON
        ),
    ] = None
    markdown: Annotated[
        Path | None,
        typer.Option(
            "--markdown",
            metavar="FILE",
            help="Write the comparison into this Markdown file.",
            rich_help_panel=COMPARISON,
        ),
    ] = None


@takes(CompareOptions, TellingOptions)
def compare(context: typer.Context) -> None:
    """What got faster, slower, or did not change, between runs, devices or engine versions.

    The same subnets, and the same budgets where different subnets answer them, by the 95% bootstrap interval of the
    ratio over fresh processes. What failed or was too noisy is named, not compared.
    """
    from harness.comparing import execute_compare

    raise typer.Exit(execute_compare(context.params))
