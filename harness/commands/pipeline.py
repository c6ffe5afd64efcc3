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

ADAPT = (
    "Adapt a model bank once to unlabelled target images, and stop there. What is asked of devices and limits is kept "
    "in the run folder, for profile, search and report."
)


@takes(
    DataOptions,
    DeviceOptions,
    InferenceOptions,
    LimitOptions,
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

    \b
    benchmark.py --quick                                     a minute's tour
    benchmark.py --source DIR --target DIR --image-size 32   your images
    benchmark.py --device jetson --host USER@HOST            your board
    benchmark.py --latency-ms 0.1,0.05                       your limits
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
