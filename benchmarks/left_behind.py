"""What a run has left on disk, so that what a killed one had finished can be looked for in what it was resumed to."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from math import isclose
from pathlib import Path
from typing import Any

from safetensors import safe_open

from harness.report import Row, read_csv
from harness.running import Record, read_record

#: Of the store, by id: every process's samples, and the passes after them that found their figure.
_RECORDS = "SELECT uid, record FROM records"
_PASSES = """
SELECT uid, record FROM passes
WHERE coalesce(json_extract(record, '$.peak_mb'), json_extract(record, '$.energy_mj')) IS NOT NULL
"""
_PROCESSES = "SELECT kind, topology FROM records"
_ANCHORS = "SELECT DISTINCT json_extract(record, '$.anchor_topology') FROM records"
_SCORES = "SELECT widths, upem FROM scores"

#: Of run.json: when, how long, and what else the machine was doing then.
_MOMENTARY = {"started", "seconds", "findings"}


@dataclass(frozen=True)
class LeftBehind:
    """What lies in a run folder and in its store."""

    record: Record | None
    """What run.json says; None where it is not there."""
    steps: int
    """Training steps in the checkpoint."""
    names: frozenset[str]
    """Of all files in the run folder."""
    exact: Mapping[str, str]
    """Digests of bank and subnets, as far as they are there: these follow from seed and measurements alone."""
    rows: tuple[Row, ...] | None
    """Those of tradeoff.csv; None where it is not there."""
    measured: Mapping[str, str]
    """The store's records and passes as they stand there, by their ids."""
    processes: Counter[tuple[str, str]]
    """How often a network was measured: (explore or finalist, topology); those apart that others are held against."""
    scores: Mapping[str, float]
    """UPEM by widths."""

    @property
    def stages(self) -> tuple[str, ...]:
        """Those that are done, by run.json."""
        return tuple(self.record.seconds) if self.record else ()

    @property
    def words(self) -> str:
        """What was finished, in words."""
        counts = {
            "measurements": len(self.measured),
            "scores": len(self.scores),
            "subnets": sum(name.startswith("subnets/") for name in self.exact),
        }
        found = ["bank"] if "bank/bank.json" in self.exact else [f"{self.steps} steps"] if self.steps else []
        found += [f"{count} {name}" for name, count in counts.items() if count]
        found += ["rows"] if self.rows is not None else []
        return ", ".join(found) or "nothing"

    def lost(self, later: LeftBehind) -> list[str]:
        """Return what is here and is gone or another later, in words; the rows apart, which the report writes anew."""
        return [
            *(f"{name} was finished and is another now" for name in _changed(self.exact, later.exact)),
            *(f"measurement {uid} is gone or another" for uid in _changed(self.measured, later.measured)),
            *(f"the score of {widths} is gone or another" for widths in _changed(self.scores, later.scores)),
            *(f"the stage {stage} was done and is not now" for stage in self.stages if stage not in later.stages),
        ]

    def unlike(self, other: LeftBehind) -> list[str]:
        """Return what two runs that ended differ in, in words."""
        return [
            *(f"{name} is not the undisturbed run's" for name in _changed(self.exact, other.exact)),
            *([] if self.same_rows(other) else ["the rows of tradeoff.csv are not the undisturbed run's"]),
            *(f"{name} is in one run folder alone" for name in sorted(self.names ^ other.names)),
            *(f"measurement {uid} was made by one run alone" for uid in self.measured.keys() ^ other.measured.keys()),
            *(f"run.json says otherwise of {name}" for name in _changed(_lasting(self), _lasting(other))),
        ]

    def same_rows(self, other: LeftBehind) -> bool:
        """Say whether the rows are another run's: everything in them, but for the last bits of UPEM."""
        return _alike(_dumped(self.rows), _dumped(other.rows))

    def measured_twice(self, processes: int) -> list[str]:
        """Return what was measured too often, in words: explored more than once, or as finalist in more processes."""
        most = {"explore": 1, "finalist": processes}
        return [
            f"{topology} was measured {count} times as {kind}"
            for (kind, topology), count in self.processes.items()
            if count > most[kind]
        ]


def left_behind(run: Path, store: Path) -> LeftBehind:
    """Look at a run folder and a store, of which nothing need be there."""
    subnets = (path.relative_to(run).as_posix() for path in run.glob("subnets/*.onnx"))
    exact = ("bank/weights.safetensors", "bank/bank.json", *subnets)
    anchors = {topology for (topology,) in _rows(store, _ANCHORS)}
    return LeftBehind(
        record=_record(run),
        steps=_steps(run / "bank" / "checkpoint.safetensors"),
        names=frozenset(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()),
        exact={name: _digest(run / name) for name in exact if (run / name).exists()},
        rows=tuple(read_csv(run / "tradeoff.csv")) if (run / "tradeoff.csv").exists() else None,
        measured=dict([*_rows(store, _RECORDS), *_rows(store, _PASSES)]),
        processes=Counter(row for row in _rows(store, _PROCESSES) if row[1] not in anchors),
        scores=dict(_rows(run / "scores.sqlite", _SCORES)),
    )


def _record(run: Path) -> Record | None:
    return read_record(run) if (run / "run.json").exists() else None


def _dumped(rows: tuple[Row, ...] | None) -> list[dict[str, Any]] | None:
    return None if rows is None else [asdict(row) for row in rows]


def _alike(one: Any, other: Any) -> bool:
    """Compare, numbers to five digits: the last bits of UPEM depend on what was scored together (docs/method.md)."""
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=1e-5)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)


def _lasting(left: LeftBehind) -> dict[str, Any]:
    return left.record.model_dump(exclude=_MOMENTARY) if left.record else {}


def _steps(checkpoint: Path) -> int:
    if not checkpoint.exists():
        return 0
    with safe_open(checkpoint, framework="numpy") as file:
        return int(file.get_slice("losses").get_shape()[0])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a file that may not be there yet, or have no tables.

    They are read from a copy: to open the file itself would put right what a killed run has left beside it.
    """
    if not path.exists():
        return []
    with tempfile.TemporaryDirectory() as scratch:
        for file in path.parent.glob(f"{path.name}*"):
            shutil.copy(file, scratch)
        with closing(sqlite3.connect(Path(scratch) / path.name)) as connection:
            tables = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table'").fetchall()
            return connection.execute(query).fetchall() if tables else []


def _changed(before: Mapping[str, object], later: Mapping[str, object]) -> list[str]:
    return [name for name, value in before.items() if not _alike(value, later.get(name))]
