"""`devices`: which of them answer, and what was found on them."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.commands.options import DEVICES, DeviceOptions, TellingOptions, only, takes


class DevicesOptions:
    """Which devices are asked."""

    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="NAME,...",
            help="Only these profiles, by name or as .toml files.",
            rich_help_panel=DEVICES,
        ),
    ] = None


@takes(DevicesOptions, only(DeviceOptions, "host"), TellingOptions)
def devices(context: typer.Context) -> None:
    """The device profiles, which of them answer, what was found on them, and how to get what is missing.

    Your own profiles lie in slimda-edge/profiles of your configuration folder (~/.config on Linux).
    """
    from harness.readiness import execute_devices

    raise typer.Exit(execute_devices(context.params))
