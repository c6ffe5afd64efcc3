#!/usr/bin/env python3
"""The command line: adapt a model bank once, measure its subnets on devices, search them without target labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=False, pretty_exceptions_enable=False, rich_markup_mode=None)

DATA, ADAPTATION, LIMITS, RUNNING = "Data and model", "Adaptation", "Limits and search", "Running"

RunOption = Annotated[
    Path | None, typer.Option("--run", help="Run folder (default: a new one under runs/).", rich_help_panel=RUNNING)
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the run in --run, as it was asked for.", rich_help_panel=RUNNING)
]
StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store", help="File that keeps measurements across runs (default: user's cache).", rich_help_panel=RUNNING
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="End with one line of JSON on standard output.", rich_help_panel=RUNNING)
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Only warnings and errors.", rich_help_panel=RUNNING)]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.", rich_help_panel=RUNNING)]
Devices = Annotated[
    str,
    typer.Option("--device", help="Device profiles, comma-separated: names or .toml files.", rich_help_panel=LIMITS),
]
Host = Annotated[
    str | None,
    typer.Option(
        "--host", help="USER@HOST of the one device asked for, or its name in ~/.ssh/config.", rich_help_panel=LIMITS
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="resnet8 (16 to 32 pixels), resnet18, resnet34, resnet50 or mobilenet_v2 (default: by image size; of an "
        "ablation: resnet8).",
        rich_help_panel=DATA,
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="Weights to start from: a torchvision state dict (.pth, .pt, .safetensors), a bank's folder, or imagenet, "
        "which downloads (default: random).",
        rich_help_panel=DATA,
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        help="Networks of torchvision, comma-separated, to adapt and measure beside the subnets: mobilenet_v2,...",
        rich_help_panel=DATA,
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        help="Labelled images: one folder per class, an image list ('path label' lines), or by name: mnist, usps, "
        "svhn, cifar10, office31:amazon and so on; see docs/data.md. A name wins over a path (default: embedded "
        "digits).",
        rich_help_panel=DATA,
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        help="Target images, named like --source, or a flat folder; labels, where there are any, are for the report "
        "alone. cifar10:corrupted and cifar10:noise, blur, fog, jpeg are made in code (-1 to -5: severity).",
        rich_help_panel=DATA,
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        help="Folder that holds the data sets known by name, as they unpack; and of paths in image lists.",
        rich_help_panel=DATA,
    ),
]
Download = Annotated[
    bool,
    typer.Option("--download", help="Fetch mnist, usps, svhn or cifar10 where it is absent.", rich_help_panel=DATA),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=0,
        help="Processes that decode images too many for memory ahead of training (default: one a core, up to 8).",
        rich_help_panel=DATA,
    ),
]
ImageSize = Annotated[
    int | None,
    typer.Option(
        "--image-size",
        min=16,
        help="Height and width in pixels (default: 224; small sets: their own).",
        rich_help_panel=DATA,
    ),
]
Budgets = Annotated[
    str | None,
    typer.Option(
        "--budgets",
        help="Shares of the full multiply-adds, each answered (default where nothing else is limited: 1,1/2,...,1/64).",
        rich_help_panel=LIMITS,
    ),
]
LatencyMs = Annotated[
    str | None,
    typer.Option(
        "--latency-ms",
        help="Limits on measured latency of one call, a batch, each answered: 20,10,5. Different limits hold together.",
        rich_help_panel=LIMITS,
    ),
]
MemoryMb = Annotated[
    str | None,
    typer.Option(
        "--memory-mb",
        help="Limits on measured peak memory, beyond the runtime's own, in millions of bytes: 60,30.",
        rich_help_panel=LIMITS,
    ),
]
ModelMb = Annotated[
    str | None,
    typer.Option(
        "--model-mb", help="Limits on the size of the ONNX file, in millions of bytes: 10,5.", rich_help_panel=LIMITS
    ),
]
EnergyMj = Annotated[
    str | None,
    typer.Option(
        "--energy-mj",
        help="Limits on measured energy of one image in millijoules, where the device has a sensor: 50,20.",
        rich_help_panel=LIMITS,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Threads of the engine (default: the profile's).", rich_help_panel=LIMITS),
]
Estimate = Annotated[
    bool,
    typer.Option(
        "--estimate",
        help="Plan without the devices: costs from the published figures in their profiles, not measured.",
        rich_help_panel=LIMITS,
    ),
]
ProfileSeconds = Annotated[
    float | None,
    typer.Option(
        "--profile-seconds",
        min=0.1,
        help="Measuring on each device before the search (default: 60 for images up to 32 pixels, else 300).",
        rich_help_panel=LIMITS,
    ),
]
Precisions = Annotated[
    str | None,
    typer.Option(
        "--precision", help="fp32, fp16, int8: each is searched where the device has it.", rich_help_panel=LIMITS
    ),
]
UpemAnchor = Annotated[
    str,
    typer.Option(
        "--upem-anchor",
        help="What UPEM holds predictions against: those of the full width, or of an ensemble of uniform widths.",
        rich_help_panel=LIMITS,
    ),
]
UpemNorm = Annotated[str, typer.Option("--upem-norm", help="l2 or l1.", rich_help_panel=LIMITS)]
UpemSharpening = Annotated[
    float | None,
    typer.Option(
        "--upem-sharpening", help="Temperature of both predictions; below 1 sharpens.", rich_help_panel=LIMITS
    ),
]
HalvingOption = Annotated[
    bool,
    typer.Option(
        "--halving", help="Random and evolutionary search look at part of the images first.", rich_help_panel=LIMITS
    ),
]
BatchSizes = Annotated[
    str | None,
    typer.Option("--batch-size", help="Images per inference, each searched: 1,8 (default: 1).", rich_help_panel=LIMITS),
]
Method = Annotated[
    str,
    typer.Option(
        "--method",
        help="source-only, standalone (a network per width), symnet, distill, seed or slimda.",
        rich_help_panel=ADAPTATION,
    ),
]
Seed = Annotated[
    int,
    typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of everything that is drawn.", rich_help_panel=RUNNING),
]
Quick = Annotated[
    bool,
    typer.Option(
        "--quick", help="A minute's tour: short training and search, for trying and testing.", rich_help_panel=RUNNING
    ),
]
SourceIterations = Annotated[
    int | None,
    typer.Option("--source-iterations", min=0, help="Steps on source images alone.", rich_help_panel=ADAPTATION),
]
Iterations = Annotated[
    int | None, typer.Option("--iterations", min=0, help="Steps of adaptation.", rich_help_panel=ADAPTATION)
]
TrainBatchSize = Annotated[
    int | None,
    typer.Option("--train-batch-size", min=2, help="Images of each domain per step.", rich_help_panel=ADAPTATION),
]
ModelBatch = Annotated[
    int | None,
    typer.Option(
        "--model-batch", min=2, help="Subnets per step, largest and smallest included.", rich_help_panel=ADAPTATION
    ),
]
LearningRate = Annotated[
    float | None, typer.Option("--learning-rate", help="Peak of AdamW's.", rich_help_panel=ADAPTATION)
]
Temperature = Annotated[
    float | None,
    typer.Option(
        "--temperature", help="Sharpening of the ensemble's knowledge; below 1 sharpens.", rich_help_panel=ADAPTATION
    ),
]
KeepGraphs = Annotated[
    bool | None,
    typer.Option(
        "--keep-graphs/--one-at-a-time",
        help="Hold a step's subnets in memory together (default), or one by one: slower, same result.",
        rich_help_panel=ADAPTATION,
    ),
]
Confidence = Annotated[
    str | None,
    typer.Option(
        "--confidence", help="Weights in the ensemble: uniform, capacity or entropy.", rich_help_panel=ADAPTATION
    ),
]
TrainDevice = Annotated[
    str,
    typer.Option("--train-device", help="auto (a GPU where there is one), cpu or cuda.", rich_help_panel=ADAPTATION),
]
TrainPrecision = Annotated[
    str,
    typer.Option(
        "--train-precision",
        help="Of the convolutions in training: auto (bf16 on GPUs that have it, else fp32), fp32 or bf16.",
        rich_help_panel=ADAPTATION,
    ),
]
TensorBoard = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        help="Write losses into the run folder for TensorBoard (an extra: slimda-edge[tensorboard]).",
        rich_help_panel=ADAPTATION,
    ),
]


@app.callback(invoke_without_command=True)
@app.command("adapt")
def pipeline(
    context: typer.Context,
    device: Devices = "cpu",
    host: Host = None,
    model: Model = None,
    weights: Weights = None,
    baseline: Baseline = None,
    source: Source = None,
    target: Target = None,
    data_root: DataRoot = None,
    download: Download = False,
    workers: Workers = None,
    image_size: ImageSize = None,
    budgets: Budgets = None,
    latency_ms: LatencyMs = None,
    memory_mb: MemoryMb = None,
    model_mb: ModelMb = None,
    energy_mj: EnergyMj = None,
    precision: Precisions = None,
    threads: Threads = None,
    batch_size: BatchSizes = None,
    estimate: Estimate = False,
    profile_seconds: ProfileSeconds = None,
    upem_anchor: UpemAnchor = "full",
    upem_norm: UpemNorm = "l2",
    upem_sharpening: UpemSharpening = None,
    halving: HalvingOption = False,
    method: Method = "slimda",
    source_iterations: SourceIterations = None,
    adaptation_iterations: Iterations = None,
    train_batch_size: TrainBatchSize = None,
    model_batch: ModelBatch = None,
    learning_rate: LearningRate = None,
    temperature: Temperature = None,
    confidence: Confidence = None,
    keep_graphs: KeepGraphs = None,
    train_device: TrainDevice = "auto",
    train_precision: TrainPrecision = "auto",
    tensorboard: TensorBoard = False,
    seed: Seed = 0,
    quick: Quick = False,
    run: RunOption = None,
    resume: Resume = False,
    store: StoreOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """One adaptation, every device.

    Adapts a slimmable model bank once to unlabelled target images, measures what its subnets really cost on every
    device, and searches, without a target label, for the subnets that lose least within each budget. Without arguments:
    embedded digits on this machine, a few minutes. The run folder then holds the subnets as ONNX, tradeoff.csv,
    tradeoff.png and report.html.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
    else:
        _run(context, ["adapt"] if context.info_name == "adapt" else None)


@app.command("profile", help="Measure a spread of subnets on every device; needs an adapted bank.")
@app.command(
    "search",
    help="Score, choose and verify subnets for the budgets; needs an adapted bank. With limits: what the run has "
    "measured and scored answers them in seconds, by prediction; --measure searches and verifies on the device.",
)
@app.command("report", help="Write the report of what search left, with accuracy where target labels exist.")
def stage(
    context: typer.Context,
    run: Annotated[Path, typer.Option("--run", help="Run folder.")],
    device: Annotated[str | None, typer.Option("--device", help="Other devices than the run was asked for.")] = None,
    host: Host = None,
    precision: Precisions = None,
    batch_size: BatchSizes = None,
    budgets: Budgets = None,
    latency_ms: LatencyMs = None,
    memory_mb: MemoryMb = None,
    model_mb: ModelMb = None,
    energy_mj: EnergyMj = None,
    estimate: Annotated[
        bool | None,
        typer.Option(
            "--estimate/--measure",
            help="Costs from published figures, or measured on the devices (default: as the run was asked; a search "
            "with limits only predicts, where the run has measured the devices).",
        ),
    ] = None,
    store: StoreOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """One stage, on what the stages before it left in the run folder."""
    _run(context, [str(context.info_name)])


@app.command("devices")
def devices_command(
    context: typer.Context,
    device: Annotated[
        str | None, typer.Option("--device", help="Only these: names or .toml files, comma-separated.")
    ] = None,
    host: Host = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """The device profiles, which of them answer, what was found on them, and how to get what is missing.

    Your own profiles lie in slimda-edge/profiles of your configuration folder (~/.config on Linux).
    """
    from harness.device_commands import execute_devices

    raise typer.Exit(execute_devices(context.params))


@app.command()
def selfcheck(
    context: typer.Context,
    device: Devices = "cpu",
    host: Host = None,
    threads: Threads = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer pairs, nothing held against published figures.")
    ] = False,
    store: StoreOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Can the device give honest numbers now? Null test, noise, guards, and published figures where there are any.

    Exit code 5 where it cannot, saying why.
    """
    from harness.device_commands import execute_selfcheck

    raise typer.Exit(execute_selfcheck(context.params))


@app.command()
def ablation(
    context: typer.Context,
    tasks: Annotated[
        str, typer.Option("--tasks", help="digits, mnist-usps, usps-mnist, or pairs: svhn->mnist.")
    ] = "digits",
    experiments: Annotated[
        str,
        typer.Option(
            "--experiments",
            help="ladder, confidence, temperature, model-batch, knowledge-weight, heads, upem, search, convergence.",
        ),
    ] = "ladder",
    methods: Annotated[
        str | None, typer.Option("--methods", "--method", help="Rungs of the ladder, comma-separated (default: all).")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds, from 0.")] = 5,
    data_root: Annotated[Path | None, typer.Option("--data-root", help="Folder that holds the data sets.")] = None,
    model: Model = "resnet8",
    weights: Weights = None,
    image_size: ImageSize = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Tasks and seeds trained at the same time.")] = 2,
    source_iterations: SourceIterations = None,
    adaptation_iterations: Iterations = None,
    train_batch_size: TrainBatchSize = None,
    model_batch: ModelBatch = None,
    learning_rate: LearningRate = None,
    temperature: Temperature = None,
    confidence: Confidence = None,
    keep_graphs: KeepGraphs = None,
    run: Annotated[Path | None, typer.Option("--run", help="Folder (default: runs/ablation); resumes there.")] = None,
    quick: Quick = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """The experiments over tasks and seeds, the ladder of methods by default: tables, paired gains, pictures.

    Finished trainings are kept in the folder and shared by experiments, so the same command resumes.
    """
    from harness.main import execute_ablation

    raise typer.Exit(execute_ablation(context.params))


@app.command("pretrain")
def pretrain_command(
    context: typer.Context,
    source: Source = None,
    data_root: DataRoot = None,
    download: Download = False,
    model: Model = None,
    weights: Weights = None,
    image_size: ImageSize = None,
    iterations: Annotated[
        int | None, typer.Option("--iterations", min=1, help="Steps.", rich_help_panel=ADAPTATION)
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(
            "--epochs",
            help="Passes over the images, not --iterations (default: 30).",
            rich_help_panel=ADAPTATION,
        ),
    ] = None,
    train_batch_size: TrainBatchSize = None,
    model_batch: ModelBatch = None,
    learning_rate: LearningRate = None,
    train_device: TrainDevice = "auto",
    train_precision: TrainPrecision = "auto",
    tensorboard: TensorBoard = False,
    seed: Seed = 0,
    quick: Quick = False,
    run: RunOption = None,
    resume: Resume = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a slimmable bank on labelled images: sandwich rule and in-place distillation (US-Nets).

    Leaves it in the run folder's bank/, with its accuracy on held-out images at a few widths.
    """
    from harness.main import execute

    raise typer.Exit(execute({**context.params, "store": None}, ["pretrain"]))


def _refuse_options(context: typer.Context) -> None:
    """Stop where options stand before a command, which would not see them."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    if any(source is not None and source.name == "COMMANDLINE" for source in sources.values()):
        context.fail(f"options belong after the command: benchmark.py {context.invoked_subcommand} OPTIONS")


def _run(context: typer.Context, stages: list[str] | None) -> None:
    from harness.main import execute

    raise typer.Exit(execute(context.params, stages))


if __name__ == "__main__":
    app()
