"""The tables and pictures of a plan's experiments, out of what its folder holds."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TypeVar

from harness.ablation.experiments import Experiment
from harness.ablation.network import Network
from harness.ablation.parts import (
    MODELS,
    Cell,
    ConvergencePart,
    CorrelationPart,
    Part,
    SearchPart,
    UpemPart,
    read_part,
)
from harness.ablation.plan import Plan
from harness.ablation.variants import Variant
from harness.adaptation import METHODS, Hardware, find_hardware
from harness.report.ablation import (
    Course,
    Sheet,
    write_ablation,
    write_convergence,
    write_search,
    write_upem,
    write_variants,
)
from harness.running import settings_from

P = TypeVar("P", bound=Part)

#: Settings that the command line spells otherwise.
FLAGS = {"adaptation_iterations": "--iterations", "batch_size": "--train-batch-size"}


def write_experiment(plan: Plan, experiment: Experiment) -> str:
    """Write an experiment's CSV, Markdown and picture into the plan's folder; return the Markdown.

    What diverged is left out of it.
    """
    if not _found(plan, experiment, MODELS[experiment.part]):
        return f"{experiment.title}: nothing was left to report"
    if experiment.part == "accuracy":
        return _write_accuracies(plan, experiment)
    if experiment.part == "upem":
        scored = [
            (task, seed, one) for task, seed, _, part in _found(plan, experiment, UpemPart) for one in part.scored
        ]
        return write_upem(_sheet(plan, experiment, UpemPart, "upem-options"), scored)
    if experiment.part == "search":
        subnets = [
            (task, seed, one) for task, seed, _, part in _found(plan, experiment, SearchPart) for one in part.found
        ]
        notes = [f"{plan.evaluations} architectures scored by each on {plan.score_images} unlabelled target images"]
        return write_search(_sheet(plan, experiment, SearchPart, "search", notes), subnets)
    courses = [
        Course(task, seed, variant.label, part.losses, part.points)
        for task, seed, variant, part in _found(plan, experiment, ConvergencePart)
    ]
    return write_convergence(_sheet(plan, experiment, ConvergencePart, "convergence"), courses)


def warnings(plan: Plan) -> Iterator[str]:
    """Yield what the health check said of each bank, with its task, seed and variant."""
    told = set()
    for experiment in plan.experiments:
        if experiment.part != "accuracy":
            continue
        for task, seed, variant, cell in _found(plan, experiment, Cell):
            for warning in cell.warnings:
                text = f"{task}, seed {seed}, {variant.cell(plan.settings)}: {warning}"
                if text not in told:
                    told.add(text)
                    yield text


def command(plan: Plan, experiment: Experiment) -> str:
    """Return the command line that makes an experiment again; `DATA` stands for where the data sets lie."""
    words = ["python", "benchmark.py", "ablation", "--experiments", experiment.name, "--tasks", ",".join(plan.tasks)]
    words += ["--seeds", str(len(plan.seeds))]
    if experiment.name == "ladder" and len(experiment.variants) < len(METHODS):
        words += ["--methods", ",".join(variant.label for variant in experiment.variants)]
    if experiment.name == "ladder" and experiment.correlated is None:
        words.append("--no-correlation")
    if plan.data_root is not None:
        words += ["--data-root", "DATA"]
    words += _network_options(plan.network)
    words += _hardware_options(plan.hardware)
    if plan.quick:
        words.append("--quick")
    defaults = settings_from({"quick": plan.quick}).adaptation
    for name, value in plan.settings:
        if value == getattr(defaults, name):
            continue
        if name == "keep_graphs":
            words.append("--one-at-a-time")
        else:
            words += [FLAGS.get(name, f"--{name.replace('_', '-')}"), str(value)]
    return shlex.join(words)


def _network_options(network: Network) -> Iterator[str]:
    if network.model != Network.model:
        yield from ("--model", network.model)
    if network.image_size is not None:
        yield from ("--image-size", str(network.image_size))
    if network.weights is not None:
        yield from ("--weights", network.weights)


def _hardware_options(hardware: Hardware) -> Iterator[str]:
    if hardware != find_hardware():
        yield from ("--train-device", hardware.kind, "--train-precision", "bf16" if hardware.bf16 else "fp32")


def _write_accuracies(plan: Plan, experiment: Experiment) -> str:
    cells = _found(plan, experiment, Cell)
    note = "every variant at the same uniform widths, batch-norm re-estimated on unlabelled target images"
    if experiment.name == "ladder":
        note = note.replace("variant", "method")
        outcomes = [outcome for _, _, _, cell in cells for outcome in cell.outcomes]
        scored = [(task, seed, one) for task, seed, part in _correlations(plan, experiment) for one in part.scored]
        return write_ablation(outcomes, scored, plan.folder, _sheet(plan, experiment, Cell, "ablation", [note]).notes)
    outcomes = [
        outcome.model_copy(update={"method": variant.label})
        for _, _, variant, cell in cells
        for outcome in cell.outcomes
    ]
    assert experiment.reference is not None
    return write_variants(_sheet(plan, experiment, Cell, experiment.name, [note]), outcomes, experiment.reference)


def _sheet(plan: Plan, experiment: Experiment, model: type[Part], stem: str, more: list[str] | None = None) -> Sheet:
    settings = plan.settings
    machines = dict.fromkeys(part.machine for _, _, _, part in _found(plan, experiment, model) if part.machine)
    notes = [
        f"{settings.source_iterations} source iterations, then {settings.adaptation_iterations} of the method; "
        f"batches of {settings.batch_size} + {settings.batch_size}, model batch {settings.model_batch}",
        *(more or []),
        *_beginning(plan.network),
        *(f"machine: {one}" for one in machines),
        f"made by: `{command(plan, experiment)}`",
    ]
    return Sheet(plan.folder, stem, experiment.title, len(plan.seeds), tuple(notes))


def _beginning(network: Network) -> Iterator[str]:
    if network.weights is not None and network.sha256 is not None:
        yield f"all start from {network.weights} (sha256 {network.sha256[:12]})"


def _correlations(plan: Plan, experiment: Experiment) -> Iterator[tuple[str, int, CorrelationPart]]:
    for variant, part in experiment.wanted:
        if part == "correlation":
            for task, seed in plan.units:
                if plan.part_path(task, seed, variant, part).exists():
                    yield task, seed, read_part(plan, task, seed, variant, part, CorrelationPart)


def _found(plan: Plan, experiment: Experiment, model: type[P]) -> list[tuple[str, int, Variant, P]]:
    return [
        (task, seed, variant, read_part(plan, task, seed, variant, experiment.part, model))
        for task, seed in plan.units
        for variant in experiment.variants
        if plan.part_path(task, seed, variant, experiment.part).exists()
    ]
