"""What published measurements ran, as lists of layers: multiply-adds, weights and activations of each."""

from __future__ import annotations

import csv
import gzip
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torchvision.models as zoo
from numpy.typing import NDArray
from torch import nn

from benchmarks.boards import Board
from harness.costs import Roof, count_macs, input_numbers

NCNN_FILE = Path("ncnn_benchmark", "ncnn_benchmark_parsed.csv.gz")
TOPHUB_FILE = Path("tophub_conv_layers", "tophub_conv_workloads.csv")
INPUT_SHAPE = (3, 224, 224)


@dataclass(frozen=True)
class Layers:
    """A network as its layers [layers]; activations are the numbers read and written for one image."""

    macs: NDArray[np.int64]
    weights: NDArray[np.int64]
    activations: NDArray[np.int64]

    def estimate_ms(self, roof: Roof) -> float:
        """Return the roofline's milliseconds of one image."""
        return float(roof.layer_ms(self.macs, self.weights, self.activations).sum())


def mobilenet_v1() -> nn.Module:
    """Return the convolutions of MobileNet (Howard et al. 2017, table 1), which torchvision lacks."""
    widths = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, 2, 1)]
    last = 32
    for width, stride in widths:
        layers += [nn.Conv2d(last, last, 3, stride, 1, groups=last), nn.Conv2d(last, width, 1)]
        last = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, 1000))


#: By ncnn's names. Its ResNet-50 strides in the first convolution of a block and has 6% fewer multiply-adds.
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": zoo.resnet18,
    "resnet50": zoo.resnet50,
    "vgg16": zoo.vgg16,
    "mobilenet": mobilenet_v1,
    "mobilenet_v2": zoo.mobilenet_v2,
    "mobilenet_v3": zoo.mobilenet_v3_large,
    "efficientnet_b0": zoo.efficientnet_b0,
}


def network_layers(make: Callable[[], nn.Module]) -> Layers:
    """Return the convolutions and linear layers of a network, batch-norm folded into them."""
    logging.getLogger("fvcore").setLevel(logging.ERROR)  # layers that only training uses
    network = make().eval()
    macs, read = count_macs(network, INPUT_SHAPE), input_numbers(network, INPUT_SHAPE)
    counts = []
    for name, inputs in read.items():
        weight = network.get_submodule(name).weight
        assert isinstance(weight, nn.Parameter)
        # Every output number takes as many multiply-adds as its kernel has weights.
        outputs = macs[name] * weight.shape[0] // weight.numel()
        counts.append((macs[name], weight.numel() + weight.shape[0], inputs + outputs))
    return Layers(*np.array(counts, np.int64).T)


def ncnn_latencies(folder: Path, board: Board) -> dict[str, float]:
    """Return the least milliseconds that ncnn's table has of every network on a board."""
    found: dict[str, float] = {}
    with gzip.open(folder / NCNN_FILE, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            ran_on_gpu, threads = row["gpu_device"] != "-1", int(row["num_threads"])
            if (
                row["device"] == board.listed
                and ran_on_gpu == board.is_gpu
                and (ran_on_gpu or threads == board.threads)
            ):
                ms = float(row["min_ms"])
                found[row["network"]] = min(ms, found.get(row["network"], ms))
    return found


@dataclass(frozen=True)
class Convolution:
    """A convolution, whole or depthwise, of one image."""

    depthwise: bool
    inputs: int
    outputs: int
    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]

    @property
    def layers(self) -> Layers:
        """Return it as a network of one layer."""
        (height, width), (top, left, bottom, right) = self.size, self.padding
        rows = (height + top + bottom - self.kernel[0]) // self.stride[0] + 1
        columns = (width + left + right - self.kernel[1]) // self.stride[1] + 1
        weights = self.outputs * (1 if self.depthwise else self.inputs) * self.kernel[0] * self.kernel[1]
        activations = self.inputs * height * width + self.outputs * rows * columns
        return Layers(*(np.array([n], np.int64) for n in (weights * rows * columns, weights, activations)))

    def differs_in_one_width(self, other: Convolution) -> bool:
        """Say whether only the input or only the output channels differ (both, where depthwise ties them)."""
        differences = (self.inputs != other.inputs) + (self.outputs != other.outputs)
        return self.is_alike(other) and differences == (2 if self.depthwise else 1)

    def is_alike(self, other: Convolution) -> bool:
        """Say whether all but the widths is the same."""
        same = (self.depthwise, self.size, self.kernel, self.stride, self.padding)
        return same == (other.depthwise, other.size, other.kernel, other.stride, other.padding)

    def covers(self, other: Convolution) -> bool:
        """Say whether it computes the other too, with zeros for the weights that the other lacks."""
        return self.is_alike(other) and self.inputs >= other.inputs and self.outputs >= other.outputs


class Fastest(NamedTuple):
    """What TopHub has of the fastest schedule of a convolution."""

    ms: float
    unix_time: float
    """When it was measured, in seconds."""

    @property
    def day(self) -> str:
        """The day of the measurement, in UTC."""
        return datetime.fromtimestamp(self.unix_time, UTC).date().isoformat()


def tophub_latencies(folder: Path, board: Board) -> dict[Convolution, Fastest]:
    """Return TopHub's fastest schedule of every fp32 convolution on a board."""
    found: dict[Convolution, Fastest] = {}
    with (folder / TOPHUB_FILE).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            known = row["op"].startswith(("conv2d_nchw", "depthwise_conv2d_nchw"))
            on_gpu = row["op"].endswith("cuda")
            fits = row["model"] == board.listed and row["dtype"] == "float32" and on_gpu == board.is_gpu
            if not (known and fits) or row["op"].endswith("mali"):
                continue
            convolution = _convolution(json.loads(row["args"]), row["op"].startswith("depthwise"))
            fastest = Fastest(float(row["cost_ms"]), float(row["measured_unix_time"]))
            found[convolution] = min(fastest, found.get(convolution, fastest))
    return found


def _convolution(arguments: list[Any], depthwise: bool) -> Convolution:
    (_, data, _), (_, kernel, _), stride, padding = arguments[:4]
    outputs = kernel[0] * kernel[1] if depthwise else kernel[0]
    return Convolution(depthwise, data[1], outputs, tuple(data[2:]), tuple(kernel[2:]), tuple(stride), tuple(padding))
