"""What a backbone costs on a device at every compute budget, and the floor below which nothing gets; untrained.

Costs depend on shapes alone, so uniform widths with random weights are exported, and measured like finalists: fresh
processes in turn, with the full width as the anchor. The floor is a network of one convolution on one pixel.

Usage: python -m benchmarks.device_costs --device cuda --model resnet50 --precision fp32,fp16 [--host USER@HOST]
The table is Markdown. docs/results/README.md says what has been measured so far.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from onnx import TensorProto, helper, numpy_helper

from devices import Device, Precision, connect, load_profile
from harness.bank import ModelBank, create_bank
from harness.costs import ComplexityCounter
from harness.export import IR_VERSION, OPSET, Template, in_precision, topology_key, write_subnet
from harness.measuring import Measurement, Store, Subject, finalists
from harness.running import listed, offered, overridden
from harness.search import costliest_uniform

BUDGETS = ("1", "1/2", "1/4", "1/8", "1/16", "1/32", "1/64")
FLOOR = "floor"


def floor_network() -> bytes:
    """Return a network that does next to nothing: what is left is the cost of calling the runtime and the device."""
    weight = numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "weight")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["images", "weight"], ["logits"])],
        FLOOR,
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 1, 1, 1])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1, 1, 1])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return bytes(model.SerializeToString())


def subjects_of(bank: ModelBank, device: Device, folder: Path) -> dict[str, Subject]:
    """Write the costliest uniform subnet within every budget, and the floor; by budget, the full width first."""
    for_tensorrt = device.describe().by_tensorrt

    def written(model: bytes, name: str, shape: tuple[int, ...]) -> Subject:
        model = in_precision(model, device.precision, torch.randn(1, *shape), for_tensorrt=for_tensorrt)
        path = write_subnet(folder, model, name.replace("/", "-"), precision=device.precision)
        return Subject(name, path, topology_key(model), device.precision)

    counter, template = ComplexityCounter(bank), Template.create(bank)
    found: dict[str, Subject] = {}
    for budget in BUDGETS:
        numerator, _, denominator = budget.partition("/")
        arch = costliest_uniform(bank.space, counter.compute_fraction, int(numerator) / int(denominator or 1))
        if arch is not None:
            model = template.subnet(bank, arch, bank.neutral_statistics(arch))
            found[budget] = written(model, budget, bank.spec.input_shape)
    found[FLOOR] = written(floor_network(), FLOOR, (1, 1, 1))
    return found


def lines(device: Device, found: Mapping[str, Measurement]) -> list[str]:
    """Return the rows of one precision."""
    fingerprint = device.describe()
    shown = []
    for budget, measurement in found.items():
        summary = measurement.summary
        if summary is None:
            shown.append(f"| {device.precision} | {budget} | | | | {measurement.verdict}: {measurement.reason} |")
            continue
        compute = "" if summary.compute_p50_ms is None else f"{summary.compute_p50_ms:.4f}"
        interval = f"{summary.p50_ms:.4f} [{summary.ci_low_ms:.4f}, {summary.ci_high_ms:.4f}]"
        ratio = f"{summary.ratio:.3f}"
        note = " ".join([measurement.verdict, measurement.reason]).strip()
        shown.append(f"| {device.precision} | {budget} | {interval} | {compute} | {ratio} | {note} |")
    return [f"{fingerprint.board}, {fingerprint.engine} {fingerprint.engine_version}", *shown]


def main(
    device: Annotated[str, typer.Option(help="Profile or .toml file.")] = "cpu",
    host: Annotated[str | None, typer.Option(help="USER@HOST.")] = None,
    model: Annotated[str, typer.Option(help="Which backbone.")] = "resnet50",
    size: Annotated[int, typer.Option(help="Image height and width.")] = 224,
    classes: Annotated[int, typer.Option(help="Outputs.")] = 31,
    precision: Annotated[str, typer.Option(help="fp32, fp16, int8: those that the device has.")] = "fp32",
    store: Annotated[Path | None, typer.Option(help="Store of measurements (default: the user's).")] = None,
) -> None:
    """Print host and device p50 of every budget, by precision, with the ratio to the full width and the floor."""
    profile = overridden(load_profile(device), host, None)
    channels = 1 if model == "resnet8" else 3
    bank = create_bank(model, [str(i) for i in range(classes)], (channels, size, size))
    asked: list[Precision] = [name for name in ("fp32", "fp16", "int8") if name in listed(precision)]
    for chosen in offered(profile, asked):
        with tempfile.TemporaryDirectory() as folder, connect(profile, precision=chosen) as connected:
            subjects = subjects_of(bank, connected, Path(folder))
            found = finalists(connected, [*subjects.values()], subjects["1"], store=Store(store))
            title, *rows = lines(connected, {name: found[name] for name in subjects})
        print(f"\n{model} at {size} px on {profile.name}: {title}\n")
        print("| precision | budget | host p50, ms [95%] | device p50, ms | of full width | |")
        print("|---|---|---|---|---|---|")
        print("\n".join(rows))


if __name__ == "__main__":
    typer.run(main)
