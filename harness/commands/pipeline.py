"""The pipeline, whole where no command is named; `adapt` ends after its first stage."""

from __future__ import annotations

import typer

from harness.commands.options import (
    DataOptions,
    DeviceOptions,
    InferenceOptions,
    LimitOptions,
    MethodOptions,
    RunOptions,
    ScheduleOptions,
    SearchOptions,
    StoreOptions,
    TellingOptions,
    TrainingOptions,
    takes,
)


@takes(
    DeviceOptions,
    DataOptions,
    LimitOptions,
    InferenceOptions,
    SearchOptions,
    MethodOptions,
    ScheduleOptions,
    TrainingOptions,
    RunOptions,
    StoreOptions,
    TellingOptions,
)
def pipeline(context: typer.Context) -> None:
    """One adaptation, every device.

    Adapts a slimmable model bank once to unlabelled target images, measures what its subnets really cost on every
    device, and searches, without a target label, for the subnets that lose least within each budget. Without arguments:
    embedded digits on this machine, a few minutes. The run folder then holds the subnets as ONNX, tradeoff.csv,
    tradeoff.png and report.html.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from harness.main import execute

    raise typer.Exit(execute(context.params, ["adapt"] if context.info_name == "adapt" else None))


def _refuse_options(context: typer.Context) -> None:
    """Stop where options stand before a command, which would not see them."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    if any(source is not None and source.name == "COMMANDLINE" for source in sources.values()):
        context.fail(f"options belong after the command: benchmark.py {context.invoked_subcommand} OPTIONS")
