"""`selfcheck`: whether devices can give honest numbers now."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.commands.options import (
    RUNNING,
    DeviceOptions,
    InferenceOptions,
    StoreOptions,
    TellingOptions,
    only,
    takes,
)


class SelfcheckOptions:
    """How much is checked."""

    quick: Annotated[
        bool,
        typer.Option("--quick", help="Fewer pairs, nothing held against published figures.", rich_help_panel=RUNNING),
    ] = False


@takes(DeviceOptions, only(InferenceOptions, "threads"), SelfcheckOptions, StoreOptions, TellingOptions)
def selfcheck(context: typer.Context) -> None:
    """Can the device give honest numbers now? Null test, noise, guards, and published figures where there are any.

    Exit code 5 where it cannot, saying why.
    """
    from harness.readiness import execute_selfcheck

    raise typer.Exit(execute_selfcheck(context.params))
