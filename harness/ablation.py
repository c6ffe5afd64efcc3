"""The ablation ladder over tasks and seeds (METHOD section 6): every cell is trained once and kept, so it can resume.

Methods of one task and seed start from the same source iterations. They are compared at the same uniform widths, under
the same batch-norm rule, at fixed training lengths: nothing is chosen by target labels, which are read for the report.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from harness.adaptation import (
    DEPLOYED_HEAD,
    METHODS,
    AdaptationDiverged,
    AdaptationSettings,
    Method,
    check_health,
    train,
    train_apart,
)
from harness.bank import (
    Architecture,
    ModelBank,
    Statistics,
    create_bank,
    create_standalone_bank,
    load_bank,
    save_bank,
)
from harness.costs import ComplexityCounter
from harness.data import (
    NAMES,
    Domains,
    TargetLabels,
    default_workers,
    load_digits,
    load_mnist_usps,
    load_pair,
    named_pair,
)
from harness.evaluation import held_out_accuracy, target_accuracy
from harness.report.ablation import SOURCE_STATISTICS, Outcome, Scored, write_ablation
from harness.search import costliest_uniform, discrepancy
from harness.space import encode

TASKS = ("digits", "mnist-usps", "usps-mnist")
BUDGETS = ("1", "1/2", "1/4", "1/8", "1/16", "1/32", "1/64")

#: Where UPEM is held against accuracy: how many random architectures, and just below which shares of the compute.
CORRELATED, CORRELATED_BUDGETS = 36, ("1/2", "1/8", "1/32")
SHARPENING = 0.25


class AblationError(ValueError):
    """An ablation that cannot be run or resumed; the message says why in one sentence."""


@dataclass(frozen=True)
class Plan:
    """What to run; `settings` holds lengths and everything else that all cells share."""

    tasks: tuple[str, ...]
    methods: tuple[Method, ...]
    seeds: tuple[int, ...]
    settings: AdaptationSettings
    data_root: Path | None
    folder: Path

    @property
    def cells(self) -> int:
        """How many trainings there are."""
        return len(self.tasks) * len(self.methods) * len(self.seeds)


class Cell(BaseModel):
    """What one task, seed and method gave; a file of its own under cells/."""

    model_config = ConfigDict(extra="forbid")

    settings: AdaptationSettings
    digest: str
    warnings: list[str]
    outcomes: list[Outcome]
    scored: list[Scored]


def run_ablation(plan: Plan, jobs: int, progress: Callable[[int, int], None]) -> list[Cell]:
    """Train what is missing, `jobs` tasks and seeds at a time with equal parts of the cores; return all cells."""
    for task in plan.tasks:
        check_task(task)
    (plan.folder / "cells").mkdir(parents=True, exist_ok=True)
    units = [(task, seed) for task in plan.tasks for seed in plan.seeds]
    threads = max(1, (os.cpu_count() or 1) // jobs)
    done = 0
    progress(done, plan.cells)
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(threads,)
    ) as pool:
        futures = [pool.submit(_run_unit, plan, task, seed) for task, seed in units]
        try:
            for future in as_completed(futures):
                future.result()
                done += len(plan.methods)
                progress(done, plan.cells)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [read_cell(plan, task, seed, method) for task, seed in units for method in plan.methods]


def write_cells(plan: Plan, cells: Sequence[Cell]) -> str:
    """Write the tables and the picture into the plan's folder; return the tables as Markdown."""
    settings = plan.settings
    notes = [
        f"{settings.source_iterations} source iterations, then {settings.adaptation_iterations} of the method; "
        f"batches of {settings.batch_size} + {settings.batch_size}, model batch {settings.model_batch}",
        "every method at the same uniform widths, batch-norm re-estimated on unlabelled target images",
        f"machine: {platform.processor() or platform.machine()}, {os.cpu_count()} cores; torch {torch.__version__}",
    ]
    outcomes = [outcome for cell in cells for outcome in cell.outcomes]
    scored = [(cell.outcomes[0].task, cell.settings.seed, one) for cell in cells for one in cell.scored]
    return write_ablation(outcomes, scored, plan.folder, notes)


def read_cell(plan: Plan, task: str, seed: int, method: Method) -> Cell:
    """Return a finished cell; AblationError where it is of other settings or not readable."""
    path = _cell_path(plan, task, seed, method)
    try:
        cell = Cell.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise AblationError(f"{path} is not a result of the ablation: {' '.join(str(error).split())[:200]}") from error
    if cell.settings != _settings(plan, seed, method):
        raise AblationError(f"{path} was made with other settings; choose another --run")
    return cell


def load_task(
    task: str, seed: int, data_root: Path | None, image_size: int | None = None
) -> tuple[Domains, TargetLabels]:
    """Return a task's domains and, apart from them, what the report alone may see."""
    if task == "digits":
        return load_digits(seed)
    if data_root is None:
        raise AblationError(f"the task {task} needs --data-root: the folder that holds the data sets")
    if task in TASKS:
        return load_mnist_usps(data_root, "mnist-usps" if task == "mnist-usps" else "usps-mnist", seed)
    pair = named_pair(task)
    assert pair is not None
    size = None if image_size is None else (image_size, image_size)
    domains, held_out = load_pair(*pair, data_root=data_root, size=size, seed=seed, workers=default_workers())
    assert held_out is not None  # all sets that have names have labels
    return domains, held_out


def check_task(task: str) -> None:
    """Raise AblationError where a task is neither one of ours nor a pair of data sets that are known by name."""
    if task not in TASKS and named_pair(task) is None:
        raise AblationError(
            f"unknown task {task!r}; known: {', '.join(TASKS)}, and pairs such as office31:amazon->office31:webcam "
            f"of {', '.join(NAMES)}"
        )


def _run_unit(plan: Plan, task: str, seed: int) -> None:
    """Run all methods of one task and seed, as far as they are not there."""
    missing = [method for method in plan.methods if not _cell_path(plan, task, seed, method).exists()]
    if not missing:
        return
    domains, held_out = load_task(task, seed, plan.data_root)
    for method in missing:
        settings = _settings(plan, seed, method)
        bank = _new_bank(domains, seed, method)
        capacity = ComplexityCounter(bank).macs
        if method == "standalone":
            bank = create_standalone_bank(bank, budget_architectures(bank).values())
            train_apart(bank, domains, settings, capacity=capacity, progress=_end_with_parent)
        else:
            bank.load_state_dict(_source_bank(plan, task, seed, domains).state_dict())
            rest = settings.model_copy(update={"source_iterations": 0})
            train(bank, domains, rest, capacity=capacity, progress=_end_with_parent)
        cell = _evaluated(bank, settings, task, domains, held_out)
        path = _cell_path(plan, task, seed, method)
        partial = path.with_suffix(".partial")
        partial.write_text(cell.model_dump_json(indent=1), encoding="utf-8")
        partial.replace(path)


def _end_with_parent(done: int, total: int) -> None:
    """End a worker whose parent was killed, instead of training on for nobody."""
    parent = parent_process()
    if parent is not None and not parent.is_alive():
        raise SystemExit(f"the ablation ended at step {done} of {total}")


def _settings(plan: Plan, seed: int, method: Method) -> AdaptationSettings:
    return plan.settings.model_copy(update={"seed": seed, "method": method})


def _cell_path(plan: Plan, task: str, seed: int, method: Method) -> Path:
    return plan.folder / "cells" / f"{task}-seed{seed}-{method}.json"


def _new_bank(domains: Domains, seed: int, method: Method) -> ModelBank:
    preprocessing = domains.preprocessing
    shape = (preprocessing.channels, *preprocessing.size)
    return create_bank("resnet8", domains.classes, shape, seed=seed, head=DEPLOYED_HEAD[method])


def _source_bank(plan: Plan, task: str, seed: int, domains: Domains) -> ModelBank:
    """Return the bank after the source iterations, which are the same for every method; trained once and kept."""
    folder = plan.folder / "source" / f"{task}-seed{seed}"
    settings = _settings(plan, seed, "source-only").model_copy(update={"adaptation_iterations": 0})
    about = {"settings": settings.model_dump(), "digest": domains.digest}
    if (folder / "bank.json").exists():
        bank, found = load_bank(folder)
        if found != about:
            raise AblationError(f"{folder} was made with other settings or data; choose another --run")
        return bank
    bank = _new_bank(domains, seed, "source-only")
    train(bank, domains, settings, capacity=ComplexityCounter(bank).macs)
    save_bank(bank, folder, about)
    return bank


def budget_architectures(bank: ModelBank) -> dict[str, Architecture]:
    """Return for every budget the costliest uniform architecture within it."""
    counter = ComplexityCounter(bank)
    found = {}
    for label in BUDGETS:
        arch = costliest_uniform(bank.space, counter.compute_fraction, share(label))
        if arch is not None:
            found[label] = arch
    return found


def share(label: str) -> float:
    """Return the number that a budget's label stands for."""
    numerator, _, denominator = label.partition("/")
    return int(numerator) / int(denominator or 1)


def _evaluated(
    bank: ModelBank, settings: AdaptationSettings, task: str, domains: Domains, held_out: TargetLabels
) -> Cell:
    bank.eval()
    outcomes = list(_outcomes(bank, settings, task, domains, held_out, budget_architectures(bank)))
    return Cell(
        settings=settings,
        digest=domains.digest,
        warnings=_complaints(bank, domains),
        outcomes=outcomes,
        scored=_scored(bank, domains, held_out, settings.seed) if settings.method == "slimda" else [],
    )


def _complaints(bank: ModelBank, domains: Domains) -> list[str]:
    """Return what the health check says; a bank that failed stays in the table, with its complaint."""
    try:
        return check_health(bank, domains)
    except AdaptationDiverged as error:
        return [str(error)]


def _outcomes(
    bank: ModelBank,
    settings: AdaptationSettings,
    task: str,
    domains: Domains,
    held_out: TargetLabels,
    archs: dict[str, Architecture],
) -> Iterator[Outcome]:
    counter = ComplexityCounter(bank)
    rules: dict[str, Tensor] = {settings.method: domains.calibration}
    if settings.method == "source-only":
        rules[SOURCE_STATISTICS] = domains.source.images[: len(domains.calibration)]
    for label, arch in archs.items():
        for method, images in rules.items():
            yield Outcome(
                task=task,
                method=method,
                seed=settings.seed,
                budget=label,
                widths=encode(arch),
                compute_fraction=counter.compute_fraction(arch),
                accuracy=target_accuracy(bank, arch, images, held_out).value,
            )


def _scored(bank: ModelBank, domains: Domains, held_out: TargetLabels, seed: int) -> list[Scored]:
    """Return UPEM, plain and sharpened, and accuracy of random architectures just below some budgets."""
    counter = ComplexityCounter(bank)
    _, anchor = _target_logits(bank, bank.space.full, domains)
    rng = np.random.default_rng(seed)
    found: dict[Architecture, Scored] = {}
    for label in CORRELATED_BUDGETS:
        limit, count = share(label), len(found) + CORRELATED
        for _ in range(20 * CORRELATED):
            arch = bank.space.sample_within(rng, counter.compute_fraction, 0.7 * limit, limit)
            if arch is None or arch in found:
                continue
            statistics, logits = _target_logits(bank, arch, domains)
            upem, sharpened = (
                discrepancy((logits / t).softmax(dim=1), (anchor / t).softmax(dim=1)) for t in (1.0, SHARPENING)
            )
            found[arch] = Scored(
                budget=label,
                widths=encode(arch),
                macs=counter.macs(arch),
                upem=upem,
                upem_sharpened=sharpened,
                accuracy=held_out_accuracy(bank, arch, statistics, held_out).value,
            )
            if len(found) == count:
                break
    return list(found.values())


def _target_logits(bank: ModelBank, arch: Architecture, domains: Domains) -> tuple[Statistics, Tensor]:
    """Return a subnet's statistics and its deployed head's logits on the unlabelled target images, in one pass."""
    statistics, outputs = bank.reestimate_and_forward(domains.calibration, arch)
    logits: Tensor = getattr(outputs, bank.spec.head)
    return statistics, logits


def chosen_methods(names: Sequence[str] | None) -> tuple[Method, ...]:
    """Return the methods of these names, in the ladder's order; all where None. Raises AblationError."""
    unknown = set(names or ()) - set(METHODS)
    if unknown:
        raise AblationError(f"unknown method {', '.join(sorted(unknown))}; known: {', '.join(METHODS)}")
    wanted: Collection[str] = METHODS if names is None else names
    return tuple(method for method in METHODS if method in wanted)
