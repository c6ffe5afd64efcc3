"""The run folder: where a run's results lie, and run.json, its record (DESIGN section 5)."""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import RLock
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.clauses import complaint
from harness.files import WriteError, whole, write_whole
from harness.measuring import Store, StoreError
from harness.report import Comparison, CostModelRecord
from harness.running.holding import RunError, held
from harness.running.settings import RunSettings

PACKAGES = ("torch", "torchvision", "onnx", "onnxruntime", "fvcore", "numpy", "scipy", "pymoo", "slimda-edge")


class BaselineRecord(BaseModel):
    """What run.json says of a baseline."""

    model_config = ConfigDict(extra="forbid")

    name: str
    problem: str = ""
    """Why it could not be adapted."""


class Record(BaseModel):
    """The contents of run.json."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    arguments: RunSettings
    seed: int
    started: str
    versions: dict[str, str]
    data: dict[str, str] = Field(default_factory=dict)
    weights: dict[str, str] = Field(default_factory=dict)
    """What adaptation started from, where that was not random."""
    devices: dict[str, dict[str, Any]] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(default_factory=dict)
    comparisons: dict[str, list[Comparison]] = Field(default_factory=dict)
    """What choosing by latency gains over choosing by multiply-adds, by device and budget."""
    cost_models: dict[str, CostModelRecord] = Field(default_factory=dict)
    """By configuration."""
    builds: dict[str, dict[str, float]] = Field(default_factory=dict)
    """How much slower the slowest build of a finalist is than its fastest, as a share; by device and subnet."""
    findings: dict[str, list[str]] = Field(default_factory=dict)
    """What spoke against measuring on a device, by its name."""
    baselines: dict[str, BaselineRecord] = Field(default_factory=dict)
    """Networks of other families in tradeoff.csv, by arch_id."""
    score_key: str = ""
    """What the scores of the last search are under in scores.sqlite."""
    foresight: dict[str, float] = Field(default_factory=dict)
    """What adaptation had to build on: accuracy on held-out source images, and its estimate on target images."""
    source_accuracy: dict[str, float] = Field(default_factory=dict)
    """Of a pretrained bank on held-out source images, by share of the multiply-adds."""
    warnings: list[str] = Field(default_factory=list)
    errors: list[str] = Field(default_factory=list)


class RunFolder:
    """A run's folder on disk; the record is written whole after every change."""

    def __init__(self, path: Path, record: Record) -> None:
        self.path = path
        self.record = record
        self.saved = False
        self._lock = RLock()

    @property
    def bank(self) -> Path:
        """Folder of the adapted bank."""
        return self.path / "bank"

    @property
    def checkpoint(self) -> Path:
        """Where training stands."""
        return self.bank / "checkpoint.safetensors"

    def baseline(self, name: str) -> Path:
        """Return the folder of an adapted baseline."""
        return self.path / "baselines" / name

    @property
    def subnets(self) -> Path:
        """Folder of the selected subnets."""
        return self.path / "subnets"

    @property
    def tradeoff(self) -> Path:
        """The CSV."""
        return self.path / "tradeoff.csv"

    @property
    def picture(self) -> Path:
        """The picture of the trade-off."""
        return self.path / "tradeoff.png"

    @property
    def page(self) -> Path:
        """The trade-off to explore."""
        return self.path / "report.html"

    @property
    def scores(self) -> Path:
        """What searches scored, for those that come after."""
        return self.path / "scores.sqlite"

    def costs(self, device: str, precision: str, batch_size: int) -> Path:
        """Return the file of what one device was measured to cost, which a what-if is answered from."""
        return self.path / "costs" / f"{device}-{precision}-b{batch_size}.json"

    @property
    def measurements(self) -> Path:
        """This run's measurements, raw samples included."""
        return self.path / "measurements.sqlite"

    def save(self) -> None:
        """Write run.json whole or not at all; from any thread."""
        with self._lock:
            text = json.dumps(self.record.model_dump(mode="json"), indent=2)
            write_whole(self.path / "run.json", f"{text}\n".encode())
            self.saved = True

    def keep_subnet(self, file: Path) -> None:
        """Copy an exported subnet into the folder, whole or not at all."""
        with whole(self.subnets / file.name) as partial:
            shutil.copyfile(file, partial)

    def drop_subnets_but(self, names: Iterable[str]) -> None:
        """Remove the other exported subnets, which an earlier search selected, and their cards."""
        kept = {Path(name).stem for name in names}
        for path in (*self.subnets.glob("*.onnx"), *self.subnets.glob("*.md")):
            if path.stem not in kept:
                path.unlink()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the block's seconds to the record and save it, also when the block fails."""
        start = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self.record.seconds[stage] = round(self.record.seconds.get(stage, 0.0) + time.monotonic() - start, 3)
                self.save()


def open_store(path: Path | None, *, resuming: bool = False) -> Store:
    """Open the store, to go on with a run where `resuming`; RunError where it cannot be one, or not be written to."""
    try:
        return Store(path, resuming=resuming)
    except (StoreError, WriteError) as error:
        raise RunError(str(error)) from error


def new_path() -> Path:
    """Return a folder name under runs/ that sorts by time."""
    return Path("runs") / datetime.now().strftime("%Y%m%d-%H%M%S")


@contextmanager
def open_run(path: Path, settings: RunSettings | None) -> Iterator[RunFolder]:
    """Open the run in `path` and hold it against other processes; create it where it is new.

    `settings` None takes those of the run that is there, others replace them; nothing is written before the record is
    saved. Raises RunError where the folder is in use, does not hold a run, or cannot be written.
    """
    with held(path):
        yield RunFolder(path, _record(path, settings))


def has_begun(path: Path) -> bool:
    """Say whether the folder holds a run that got as far as training; before that there is nothing to go on with."""
    return (path / "run.json").exists() and (path / "bank").exists()


def _record(path: Path, settings: RunSettings | None) -> Record:
    if has_begun(path) or (settings is None and (path / "run.json").exists()):
        found = read_record(path)
        if settings is not None:
            found.arguments = settings
        return found
    if settings is None:
        raise RunError(f"there is no run in {path}: run.json is missing")
    return Record(
        arguments=settings,
        seed=settings.seed,
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        versions={"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
    )


def read_record(path: Path) -> Record:
    """Return what run.json in `path` says; RunError where it is not there or not one."""
    try:
        return Record.model_validate_json((path / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"there is no run in {path}: run.json is missing") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise RunError(f"{path / 'run.json'} is not a run record: {complaint(error)}") from error
    except OSError as error:
        raise RunError(f"{path / 'run.json'} cannot be read: {complaint(error)}") from error


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
