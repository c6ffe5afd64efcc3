"""A finished run as it is compared: its rows, each with the raw records that its figures were made of."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.measuring import Measured, ProcessRecord, StoreError, read_measurements
from harness.report import Row, read_csv
from harness.running import RunError, RunFolder, read_record


class Series(NamedTuple):
    """What of a run is held beside its like of another."""

    device: str
    precision: str
    batch_size: int


@dataclass(frozen=True)
class Result:
    """One network of a run on one device."""

    row: Row
    name: str
    """Its arch_id, or what a baseline is called."""
    records: tuple[ProcessRecord, ...]
    """One per fresh process; none where it was not measured in several, or they are not in the run folder."""

    @property
    def decided(self) -> bool:
        """Whether the run made up its mind about it, rather than only explore it in one process."""
        return self.row.selected == "yes" or bool(self.row.processes and self.row.processes > 1)

    @property
    def doubt(self) -> str | None:
        """Say why it has no figures to compare; None where it has."""
        if self.row.status != "ok":
            return f"{self.row.status}, {self.row.reason}"
        if self.row.cost_source != "measured":
            return f"{self.row.cost_source or 'costs unknown'}, not measured"
        if not self.row.processes or self.row.processes < 2:
            return "measured in one process only"
        return None if self.records else "its raw samples are not in measurements.sqlite"


@dataclass(frozen=True)
class FinishedRun:
    """What a run folder has of one run."""

    path: Path
    results: dict[Series, list[Result]]
    protocol: int | None
    """Version of the protocol that it was measured by; None where nothing was measured."""


def read_run(path: Path) -> FinishedRun:
    """Read a run folder, changing nothing. Raises RunError and ReportError, in one sentence, where it cannot be."""
    folder = RunFolder(path, read_record(path))
    if not folder.tradeoff.exists():
        raise RunError(
            f"the run in {path} has no tradeoff.csv yet; go on with: python benchmark.py --run {path} --resume"
        )
    names = {arch_id: baseline.name for arch_id, baseline in folder.record.baselines.items()}
    rows = read_csv(folder.tradeoff)
    measured = any(row.cost_source == "measured" for row in rows)
    protocol, records = _measured(folder) if measured else (None, {})
    results: dict[Series, list[Result]] = defaultdict(list)
    for row in rows:
        series = Series(row.device, row.precision, row.batch_size)
        own = tuple(records.get(Measured(*series, row.arch_id), ()))
        results[series].append(Result(row, names.get(row.arch_id, row.arch_id), own))
    return FinishedRun(path, dict(results), protocol)


def _measured(folder: RunFolder) -> tuple[int, dict[Measured, list[ProcessRecord]]]:
    if not folder.measurements.exists():
        raise RunError(f"the run in {folder.path} has no measurements.sqlite, which holds its raw samples")
    try:
        found = read_measurements(folder.measurements)
    except StoreError as error:
        raise RunError(str(error)) from error
    if found.names is None:
        raise RunError(
            f"the run in {folder.path} is of an older version, whose measurements.sqlite does not say which network "
            f"its raw samples are of; benchmark.py search --run {folder.path} --measure writes it anew"
        )
    return found.protocol, found.finalists()
