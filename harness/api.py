"""The pipeline as a library: its stages on a run folder, what they raise instead of exit codes, and a subnet by itself.

A stage does what its command does and takes the same options, with `_` for `-`. What a command tells as an error is
raised; where several devices or budgets are asked for, what could be done is in the run folder nevertheless.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypedDict

from torch import nn
from typing_extensions import Unpack

from harness import environment  # noqa: F401 (first)
from harness.bank import Architecture, ModelBank, load_bank
from harness.console import Console
from harness.costs import CostModel
from harness.pipeline import STAGES, run_stages
from harness.pipeline import profile as profiled
from harness.preparing import prepare, settings_asked
from harness.report import Row, read_csv
from harness.results import DeviceResults
from harness.running import NothingLeft, Run, RunSettings, open_run, open_store

__all__ = ["AdaptOptions", "CostModel", "Limits", "ModelBank", "adapt", "cut", "profile", "report_run", "search_run"]


class Limits(TypedDict, total=False):
    """What devices, and what subnets may cost on them."""

    device: str
    host: str
    precision: str
    batch_size: str
    budgets: str
    latency_ms: str
    memory_mb: str
    model_mb: str
    energy_mj: str


class AdaptOptions(Limits, total=False):
    """What a run is asked to do; what is left out has the command line's default."""

    source: str
    target: str
    data_root: Path
    download: bool
    image_size: int
    workers: int
    model: str
    weights: str
    baseline: str
    method: str
    seed: int
    source_iterations: int
    adaptation_iterations: int
    train_batch_size: int
    model_batch: int
    learning_rate: float
    temperature: float
    entropy_weight: float
    confidence: str
    train_device: str
    train_precision: str
    threads: int
    profile_seconds: float
    upem_anchor: str
    upem_norm: str
    upem_sharpening: float
    quick: bool


def adapt(run: Path | str, *, resume: bool = False, **options: Unpack[AdaptOptions]) -> ModelBank:
    """Adapt a bank in a new run folder, or go on with it by `resume`, and return it.

    The limits are kept for the stages after it. Raises TypeError for an option that there is not.
    """
    if unknown := set(options) - set(AdaptOptions.__annotations__):
        raise TypeError(f"adapt has no option {', '.join(sorted(unknown))}")
    _stage(Path(run), "adapt", {**options, "resume": resume})
    return load_bank(Path(run) / "bank")[0]


def cut(run: Path | str, arch: Architecture) -> nn.Sequential:
    """Return a subnet of a run's bank as a plain module in evaluation mode: images [N, C, H, W] to logits.

    Its batch-norm statistics are those of the run's unlabelled target images.
    """
    with _prepared(Path(run), None) as (prepared, _):
        bank, _about = load_bank(prepared.folder.bank)
        own = bank.weights_of(arch)
        return own.cut(arch, own.reestimate(prepared.domains.calibration, arch))


def profile(run: Path | str, *, store: Path | None = None, **options: Unpack[Limits]) -> dict[str, DeviceResults]:
    """Measure a spread of subnets on every device of a run and fit a cost model to each.

    Return what was found out by device (with its precision and batch size, where they are not float32 and 1): among
    others what was `measured`, by architecture, and the `latency_model`.
    """
    path = Path(run)
    with _prepared(path, settings_asked(_options(path, options), ["profile"]), store) as (prepared, _):
        found: dict[str, DeviceResults] = {}
        with suppress(NothingLeft):
            found = profiled(prepared)
        _raise(prepared)
        return found


def search_run(run: Path | str, *, store: Path | None = None, **options: Unpack[Limits]) -> list[Row]:
    """Search a run's bank for what keeps limits, by default those that the run was asked for, and verify it on devices.

    Return the selected rows; the run folder has all rows, and the ONNX files.
    """
    _stage(Path(run), "search", options, store)
    return [row for row in read_csv(Path(run) / "tradeoff.csv") if row.selected == "yes"]


def report_run(run: Path | str) -> list[Row]:
    """Write the report of what search left, with accuracy where target labels exist, and return all its rows."""
    _stage(Path(run), "report", {})
    return read_csv(Path(run) / "tradeoff.csv")


def _stage(path: Path, stage: str, options: Mapping[str, Any], store: Path | None = None) -> None:
    assert stage in STAGES
    with _prepared(path, settings_asked(_options(path, options), [stage]), store) as (prepared, held_out):
        with suppress(NothingLeft):
            run_stages(prepared, held_out, [stage])
        _raise(prepared)


def _options(path: Path, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return options as the command line would have them: all there are, None where they were not given."""
    return defaultdict(lambda: None, {**options, "run": path})


@contextmanager
def _prepared(path: Path, settings: RunSettings | None, store: Path | None = None) -> Iterator[tuple[Run, Any]]:
    """Open a run and read its images; the second value, the held-out target, is for the report alone."""
    with open_run(path, settings) as folder:
        yield prepare(folder, Console(quiet=True), open_store(store))


def _raise(run: Run) -> None:
    if run.problems:
        raise run.problems[0]
