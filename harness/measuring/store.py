"""The store: every process's raw samples, kept across runs in one SQLite file.

What a record is found by is what its cost depends on: board, OS release, engine and version, power mode, threads,
precision, batch size, and the graph's topology - neither its weights nor the momentary clocks.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import platformdirs
from pydantic import TypeAdapter, ValidationError

from devices import Fingerprint
from harness.measuring.results import Kind, Measurement, MeasurementError, ProcessRecord, Subject

_VERSION = 1
_BUSY_S = 30.0
_KEY = (
    "board",
    "os_release",
    "engine",
    "engine_version",
    "power_mode",
    "threads",
    "precision",
    "batch_size",
    "topology",
    "kind",
)
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS records (
    uid TEXT PRIMARY KEY, board TEXT NOT NULL, os_release TEXT NOT NULL, engine TEXT NOT NULL,
    engine_version TEXT NOT NULL, power_mode TEXT NOT NULL, threads INTEGER NOT NULL, precision TEXT NOT NULL,
    batch_size INTEGER NOT NULL, topology TEXT NOT NULL, kind TEXT NOT NULL, recorded_at TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS records_by_key ON records ({", ".join(_KEY)});
PRAGMA user_version = {_VERSION};
"""
_RECORD = TypeAdapter(ProcessRecord)


class Store:
    """Records in one file, made where it is absent. Each operation has its own connection, so threads may share it."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or Path(platformdirs.user_cache_dir("slimda-edge")) / "measurements.sqlite"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MeasurementError(f"the store {self.path} cannot be made: {error.strerror}") from error
        with self._connected() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise MeasurementError(
                    f"the store {self.path} is of version {version}, not {_VERSION}; name another one"
                )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)

    def add(self, records: Sequence[ProcessRecord]) -> None:
        """Keep `records`, all or none; when this returns they survive the death of this process."""
        with self._connected() as connection:
            _insert(connection, records)

    def find(self, fingerprint: Fingerprint, subject: Subject, kind: Kind) -> list[ProcessRecord]:
        """Return what was measured of a subject on a device, oldest first."""
        values = (*device_key(fingerprint).values(), subject.precision, subject.batch_size, subject.topology, kind)
        condition = " AND ".join(f"{name} = ?" for name in _KEY)
        with self._connected() as connection:
            rows = connection.execute(
                f"SELECT record FROM records WHERE {condition} ORDER BY recorded_at, rowid", values
            ).fetchall()
        try:
            return [_RECORD.validate_json(row[0]) for row in rows]
        except ValidationError as error:
            raise MeasurementError(
                f"the store {self.path} holds a record that cannot be read; name another one"
            ) from error

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Connect, commit on success, and turn what SQLite complains of into `MeasurementError`."""
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=_BUSY_S)) as connection, connection:
                connection.execute("PRAGMA synchronous = FULL")
                yield connection
        except sqlite3.Error as error:
            raise MeasurementError(f"the store {self.path} cannot be used: {error}") from error


def save_measurements(measurements: Iterable[Measurement], path: Path) -> None:
    """Write the records of `measurements` to a file of the store's form, atomically replacing what was there."""
    records = {record.uid: record for measurement in measurements for record in measurement.records}
    partial = path.with_name(path.name + ".part")
    try:
        partial.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(partial)) as connection, connection:
            connection.executescript(_SCHEMA)
            _insert(connection, records.values())
        partial.replace(path)
    except (OSError, sqlite3.Error) as error:
        raise MeasurementError(f"the measurements cannot be written to {path}: {error}") from error


def device_key(fingerprint: Fingerprint) -> dict[str, str | int]:
    """Return what a record is found by, as far as it concerns the device."""
    return {
        "board": fingerprint.board,
        "os_release": fingerprint.os_release,
        "engine": fingerprint.engine,
        "engine_version": fingerprint.engine_version,
        "power_mode": fingerprint.power_mode,
        "threads": fingerprint.threads,
    }


def _insert(connection: sqlite3.Connection, records: Iterable[ProcessRecord]) -> None:
    columns = ("uid", *_KEY, "recorded_at", "record")
    marks = ", ".join("?" * len(columns))
    connection.executemany(
        f"INSERT INTO records ({', '.join(columns)}) VALUES ({marks})",
        [
            (
                record.uid,
                *device_key(record.fingerprint).values(),
                record.precision,
                record.batch_size,
                record.topology,
                record.kind,
                record.recorded_at,
                _RECORD.dump_json(record).decode(),
            )
            for record in records
        ],
    )
