"""Options of what is asked of devices, and of the search for what keeps it."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.commands.options.panels import DEVICES, LIMITS, MEASURING


class DeviceOptions:
    """Which devices."""

    device: Annotated[
        str,
        typer.Option(
            "--device",
            metavar="NAME,...",
            help="Device profiles, by name or as .toml files; `devices` lists them.",
            rich_help_panel=DEVICES,
        ),
    ] = "cpu"
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            metavar="USER@HOST",
            help="Where the one device asked for is reached; or its name in ~/.ssh/config.",
            rich_help_panel=DEVICES,
        ),
    ] = None


class InferenceOptions:
    """How subnets run on the devices."""

    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            metavar="fp32,...",
            help="fp32, fp16, int8: each is searched where the device has it (default: fp32).",
            rich_help_panel=DEVICES,
        ),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            metavar="N",
            help="Threads of the engine (default: the profile's).",
            rich_help_panel=DEVICES,
        ),
    ] = None
    batch_size: Annotated[
        str | None,
        typer.Option(
            "--batch-size",
            metavar="N,...",
            help="Images per inference, each searched: 1,8 (default: 1).",
            rich_help_panel=DEVICES,
        ),
    ] = None


class LimitOptions:
    """What a subnet may cost: alternatives in each, and different ones together."""

    budgets: Annotated[
        str | None,
        typer.Option(
            "--budgets",
            metavar="SHARE,...",
            help="Shares of the full multiply-adds (default where nothing else is limited: 1,1/2,...,1/64). Values "
            "in a list are alternatives, each answered; different limits hold together.",
            rich_help_panel=LIMITS,
        ),
    ] = None
    latency_ms: Annotated[
        str | None,
        typer.Option(
            "--latency-ms",
            metavar="MS,...",
            help="Measured latency of one call, that is of a batch: 20,10,5.",
            rich_help_panel=LIMITS,
        ),
    ] = None
    memory_mb: Annotated[
        str | None,
        typer.Option(
            "--memory-mb",
            metavar="MB,...",
            help="Measured peak memory beyond the runtime's own, in millions of bytes: 60,30.",
            rich_help_panel=LIMITS,
        ),
    ] = None
    model_mb: Annotated[
        str | None,
        typer.Option(
            "--model-mb",
            metavar="MB,...",
            help="Size of the ONNX file, in millions of bytes: 10,5.",
            rich_help_panel=LIMITS,
        ),
    ] = None
    energy_mj: Annotated[
        str | None,
        typer.Option(
            "--energy-mj",
            metavar="MJ,...",
            help="Measured energy of one image in millijoules, where the device has a sensor: 50,20.",
            rich_help_panel=LIMITS,
        ),
    ] = None


class SearchOptions:
    """How costs are found out, and candidates scored."""

    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate",
            help="Plan without the devices: costs from the published figures in their profiles, not measured.",
            rich_help_panel=MEASURING,
        ),
    ] = False
    profile_seconds: Annotated[
        float | None,
        typer.Option(
            "--profile-seconds",
            min=0.1,
            metavar="SECONDS",
            help="Measuring on each device before the search (default: 60 for images up to 32 pixels, else 300).",
            rich_help_panel=MEASURING,
        ),
    ] = None
    upem_anchor: Annotated[
        str,
        typer.Option(
            "--upem-anchor",
            metavar="full|ensemble",
            help="What UPEM holds predictions against: those of the full width, or of an ensemble of uniform widths.",
            rich_help_panel=MEASURING,
        ),
    ] = "full"
    upem_norm: Annotated[
        str, typer.Option("--upem-norm", metavar="l2|l1", help="The distance in UPEM.", rich_help_panel=MEASURING)
    ] = "l2"
    upem_sharpening: Annotated[
        float | None,
        typer.Option(
            "--upem-sharpening",
            metavar="T",
            help="Temperature of both predictions; below 1 sharpens.",
            rich_help_panel=MEASURING,
        ),
    ] = None
    halving: Annotated[
        bool,
        typer.Option(
            "--halving",
            help="Random and evolutionary search look at part of the images first.",
            rich_help_panel=MEASURING,
        ),
    ] = False
