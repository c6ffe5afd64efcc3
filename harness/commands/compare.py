"""`compare`: what got faster, slower, or did not change between runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import TellingOptions, takes


class CompareOptions:
    """What is compared, and what is made of it."""

    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN RUN [...]", help="Run folders: the first is what the others are held against."),
    ]
    fail_on_regression: Annotated[
        bool, typer.Option("--fail-on-regression", help="Exit code 1 where something is slower by more than that.")
    ] = False
    threshold: Annotated[
        float,
        typer.Option(
            "--threshold",
            min=0.0,
            metavar="PERCENT",
            help="What counts as a regression: slower beyond the interval, and by more than this and 3 microseconds.",
        ),
    ] = 2.0
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the comparison into this CSV file.")] = None
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Write the comparison into this Markdown file.")
    ] = None


@takes(CompareOptions, TellingOptions)
def compare(context: typer.Context) -> None:
    """What got faster, slower, or did not change, between runs, devices or engine versions.

    The same subnets, and the same budgets where different subnets answer them, by the 95% bootstrap interval of the
    ratio over fresh processes. What failed or was too noisy is named, not compared.
    """
    from harness.comparing import execute_compare

    raise typer.Exit(execute_compare(context.params))
