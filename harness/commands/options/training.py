"""Options of the images and of the bank that is trained on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.panels import ADAPTATION, DATA


class DataOptions:
    """What is adapted, from what and to what."""

    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="IMAGES",
            help="Labelled images: a folder with one folder per class, an image list ('path label' lines), or by "
            "name: mnist, usps, svhn, cifar10, office31:amazon and so on; see docs/data.md. A name wins over a path "
            "(default: embedded digits).",
            rich_help_panel=DATA,
        ),
    ] = None
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="IMAGES",
            help="Images from where the model will work, named like --source, or a flat folder; labels, where there "
            "are any, are for the report alone. cifar10:corrupted and cifar10:noise, blur, fog, jpeg are made in code "
            "(-1 to -5: severity).",
            rich_help_panel=DATA,
        ),
    ] = None
    image_size: Annotated[
        int | None,
        typer.Option(
            "--image-size",
            min=16,
            metavar="PIXELS",
            help="Height and width (default: 224; small sets: their own).",
            rich_help_panel=DATA,
        ),
    ] = None
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="resnet8 (16 to 32 pixels), resnet18, resnet34, resnet50 or mobilenet_v2 (default: by image size; of "
            "an ablation: resnet8).",
            rich_help_panel=DATA,
        ),
    ] = None
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="Weights to start from: a torchvision state dict (.pth, .pt, .safetensors), a bank's folder, or "
            "imagenet, which downloads (default: random).",
            rich_help_panel=DATA,
        ),
    ] = None
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="NAME,...",
            help="Networks of torchvision to adapt and measure beside the subnets: mobilenet_v3_small and so on.",
            rich_help_panel=DATA,
        ),
    ] = None
    data_root: Annotated[
        Path | None,
        typer.Option(
            "--data-root",
            metavar="DIR",
            help="Folder that holds the data sets known by name, as they unpack; and of paths in image lists.",
            rich_help_panel=DATA,
        ),
    ] = None
    download: Annotated[
        bool,
        typer.Option("--download", help="Fetch mnist, usps, svhn or cifar10 where it is absent.", rich_help_panel=DATA),
    ] = False
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=0,
            metavar="N",
            help="Processes that decode images too many for memory ahead of training (default: one a core, up to 8).",
            rich_help_panel=DATA,
        ),
    ] = None


class MethodOptions:
    """What is learned."""

    method: Annotated[
        str,
        typer.Option(
            "--method",
            metavar="NAME",
            help="source-only, standalone (a network per width), symnet, distill, seed or slimda.",
            rich_help_panel=ADAPTATION,
        ),
    ] = "slimda"


class ScheduleOptions:
    """How long and how a bank is trained."""

    source_iterations: Annotated[
        int | None,
        typer.Option(
            "--source-iterations",
            min=0,
            metavar="N",
            help="Steps on source images alone (default: 200).",
            rich_help_panel=ADAPTATION,
        ),
    ] = None
    adaptation_iterations: Annotated[
        int | None,
        typer.Option(
            "--iterations", min=0, metavar="N", help="Steps of adaptation (default: 400).", rich_help_panel=ADAPTATION
        ),
    ] = None
    train_batch_size: Annotated[
        int | None,
        typer.Option(
            "--train-batch-size",
            min=2,
            metavar="N",
            help="Images of each domain per step (default: 64).",
            rich_help_panel=ADAPTATION,
        ),
    ] = None
    model_batch: Annotated[
        int | None,
        typer.Option(
            "--model-batch",
            min=2,
            metavar="N",
            help="Subnets per step, largest and smallest included (default: 4).",
            rich_help_panel=ADAPTATION,
        ),
    ] = None
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning-rate", metavar="RATE", help="Peak of AdamW's (default: 0.005).", rich_help_panel=ADAPTATION
        ),
    ] = None
    temperature: Annotated[
        float | None,
        typer.Option(
            "--temperature",
            metavar="T",
            help="Sharpening of the ensemble's knowledge; below 1 sharpens (default: 0.5).",
            rich_help_panel=ADAPTATION,
        ),
    ] = None
    entropy_weight: Annotated[
        float | None,
        typer.Option(
            "--entropy-weight",
            metavar="WEIGHT",
            help="Of the loss that makes predictions on target images surer (default: 1; 0 where fewer than 85% of "
            "held-out source images are named rightly).",
            rich_help_panel=ADAPTATION,
        ),
    ] = None
    confidence: Annotated[
        str | None,
        typer.Option(
            "--confidence",
            metavar="NAME",
            help="Weights in the ensemble: uniform, capacity or entropy (default: capacity).",
            rich_help_panel=ADAPTATION,
        ),
    ] = None
    keep_graphs: Annotated[
        bool | None,
        typer.Option(
            "--keep-graphs/--one-at-a-time",
            help="Hold a step's subnets in memory together (default), or one by one: slower, same result.",
            rich_help_panel=ADAPTATION,
        ),
    ] = None


class TrainingOptions:
    """What a bank is trained on, and how that is followed."""

    train_device: Annotated[
        str,
        typer.Option(
            "--train-device",
            metavar="auto|cpu|cuda",
            help="auto: a GPU where there is one.",
            rich_help_panel=ADAPTATION,
        ),
    ] = "auto"
    train_precision: Annotated[
        str,
        typer.Option(
            "--train-precision",
            metavar="auto|fp32|bf16",
            help="Of the convolutions in training; auto: bf16 on GPUs that have it, else fp32.",
            rich_help_panel=ADAPTATION,
        ),
    ] = "auto"
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard",
            help="Write losses into the run folder for TensorBoard (an extra: pip install -e '.[tensorboard]').",
            rich_help_panel=ADAPTATION,
        ),
    ] = False
