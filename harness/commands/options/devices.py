"""Options of what is asked of devices, and of the search for what keeps it."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.commands.options.panels import LIMITS


class DeviceOptions:
    """Which devices."""

    device: Annotated[
        str,
        typer.Option(
            "--device", help="Device profiles, comma-separated: names or .toml files.", rich_help_panel=LIMITS
        ),
    ] = "cpu"
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            help="USER@HOST of the one device asked for, or its name in ~/.ssh/config.",
            rich_help_panel=LIMITS,
        ),
    ] = None


class LimitOptions:
    """What a subnet may cost: alternatives in each, and different ones together."""

    budgets: Annotated[
        str | None,
        typer.Option(
            "--budgets",
            help="Shares of the full multiply-adds, each answered (default where nothing else is limited: "
            "1,1/2,...,1/64).",
            rich_help_panel=LIMITS,
        ),
    ] = None
    latency_ms: Annotated[
        str | None,
        typer.Option(
            "--latency-ms",
            help="Limits on measured latency of one call, a batch, each answered: 20,10,5. "
            "Different limits hold together.",
            rich_help_panel=LIMITS,
        ),
    ] = None
    memory_mb: Annotated[
        str | None,
        typer.Option(
            "--memory-mb",
            help="Limits on measured peak memory, beyond the runtime's own, in millions of bytes: 60,30.",
            rich_help_panel=LIMITS,
        ),
    ] = None
    model_mb: Annotated[
        str | None,
        typer.Option(
            "--model-mb",
            help="Limits on the size of the ONNX file, in millions of bytes: 10,5.",
            rich_help_panel=LIMITS,
        ),
    ] = None
    energy_mj: Annotated[
        str | None,
        typer.Option(
            "--energy-mj",
            help="Limits on measured energy of one image in millijoules, where the device has a sensor: 50,20.",
            rich_help_panel=LIMITS,
        ),
    ] = None


class InferenceOptions:
    """How subnets run on the devices."""

    precision: Annotated[
        str | None,
        typer.Option(
            "--precision", help="fp32, fp16, int8: each is searched where the device has it.", rich_help_panel=LIMITS
        ),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads", min=1, help="Threads of the engine (default: the profile's).", rich_help_panel=LIMITS
        ),
    ] = None
    batch_size: Annotated[
        str | None,
        typer.Option(
            "--batch-size", help="Images per inference, each searched: 1,8 (default: 1).", rich_help_panel=LIMITS
        ),
    ] = None


class SearchOptions:
    """How costs are found out, and candidates scored."""

    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate",
            help="Plan without the devices: costs from the published figures in their profiles, not measured.",
            rich_help_panel=LIMITS,
        ),
    ] = False
    profile_seconds: Annotated[
        float | None,
        typer.Option(
            "--profile-seconds",
            min=0.1,
            help="Measuring on each device before the search (default: 60 for images up to 32 pixels, else 300).",
            rich_help_panel=LIMITS,
        ),
    ] = None
    upem_anchor: Annotated[
        str,
        typer.Option(
            "--upem-anchor",
            help="What UPEM holds predictions against: those of the full width, or of an ensemble of uniform widths.",
            rich_help_panel=LIMITS,
        ),
    ] = "full"
    upem_norm: Annotated[str, typer.Option("--upem-norm", help="l2 or l1.", rich_help_panel=LIMITS)] = "l2"
    upem_sharpening: Annotated[
        float | None,
        typer.Option(
            "--upem-sharpening", help="Temperature of both predictions; below 1 sharpens.", rich_help_panel=LIMITS
        ),
    ] = None
    halving: Annotated[
        bool,
        typer.Option(
            "--halving", help="Random and evolutionary search look at part of the images first.", rich_help_panel=LIMITS
        ),
    ] = False
