"""The store: every process's raw samples, and the passes after them, kept across runs in one SQLite file.

What a record is found by is what its cost depends on: board, OS release, engine and version, power mode, threads,
precision, batch size, and the graph's topology - neither its weights nor the momentary clocks.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import platformdirs
from pydantic import TypeAdapter, ValidationError

from devices import Fingerprint
from harness.files import WriteError, whole
from harness.measuring.passes import PassRecord
from harness.measuring.results import Kind, Measurement, ProcessRecord, Subject, device_key

#: Of the tables, and of how what they hold was measured: since 2 a visit settles before it is timed, since 3
#: several threads spin between runs and have a core each.
_VERSION = 3
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
_TABLES = ("records", "passes")
_SCHEMA = "".join(
    f"""
CREATE TABLE IF NOT EXISTS {table} (
    uid TEXT PRIMARY KEY, board TEXT NOT NULL, os_release TEXT NOT NULL, engine TEXT NOT NULL,
    engine_version TEXT NOT NULL, power_mode TEXT NOT NULL, threads INTEGER NOT NULL, precision TEXT NOT NULL,
    batch_size INTEGER NOT NULL, topology TEXT NOT NULL, kind TEXT NOT NULL, recorded_at TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS {table}_by_key ON {table} ({", ".join(_KEY)});
"""
    for table in _TABLES
)
_SCHEMA += f"PRAGMA user_version = {_VERSION};\n"


_RECORD = TypeAdapter(ProcessRecord)
_Kept = TypeVar("_Kept")
Record = TypeVar("Record", bound=PassRecord)


class StoreError(ValueError):
    """A file of measurements that cannot be used; the message says why in one sentence."""


class Store:
    """Records in one file, made where it is absent. Each operation has its own connection, so threads may share it.

    All raise StoreError, and WriteError where the disk refuses or other processes do not let the file go.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or Path(platformdirs.user_cache_dir("slimda-edge")) / f"measurements-{_VERSION}.sqlite"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"the store {self.path} cannot be made: {error.strerror}") from error
        with self._connected() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise StoreError(f"the store {self.path} is of version {version}, not {_VERSION}; name another one")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)

    def add(self, records: Sequence[ProcessRecord]) -> None:
        """Keep `records`, all or none; when this returns they survive the death of this process."""
        with self._connected() as connection:
            _insert(connection, "records", records)

    def add_pass(self, record: PassRecord) -> None:
        """Keep the record of a pass."""
        with self._connected() as connection:
            _insert(connection, "passes", [record])

    def latest(self, fingerprint: Fingerprint, subject: Subject, kind: type[Record]) -> Record | None:
        """Return the last pass of a kind over a subject on a device."""
        found = self._select("passes", fingerprint, subject, kind.kind)
        return self._read(TypeAdapter(kind), found[-1]) if found else None

    def find(self, fingerprint: Fingerprint, subject: Subject, kind: Kind) -> list[ProcessRecord]:
        """Return what was measured of a subject on a device, in the order in which it was kept."""
        return [self._read(_RECORD, text) for text in self._select("records", fingerprint, subject, kind)]

    def _select(self, table: str, fingerprint: Fingerprint, subject: Subject, kind: str) -> list[str]:
        """Return the texts of records in the order in which they were kept, which no clock that was wrong disturbs."""
        values = (*device_key(fingerprint).values(), subject.precision, subject.batch_size, subject.topology, kind)
        condition = " AND ".join(f"{name} = ?" for name in _KEY)
        with self._connected() as connection:
            rows = connection.execute(f"SELECT record FROM {table} WHERE {condition} ORDER BY rowid", values).fetchall()
        return [row[0] for row in rows]

    def _read(self, form: TypeAdapter[_Kept], text: str) -> _Kept:
        try:
            return form.validate_json(text)
        except ValidationError as error:
            raise StoreError(f"the store {self.path} holds a record that cannot be read; name another one") from error

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Connect, commit on success, and put what SQLite complains of into words."""
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=_BUSY_S)) as connection, connection:
                connection.execute("PRAGMA synchronous = FULL")
                yield connection
        except sqlite3.OperationalError as error:
            raise WriteError(f"the store {self.path} cannot be used: {error}") from error
        except sqlite3.Error as error:
            raise StoreError(f"the store {self.path} cannot be used: {error}") from error


def save_measurements(measurements: Iterable[Measurement], path: Path, passes: Iterable[PassRecord] = ()) -> None:
    """Write the records of `measurements`, and `passes`, to a file of the store's form, atomically replacing it."""
    records = {record.uid: record for measurement in measurements for record in measurement.records}
    with whole(path) as partial:
        try:
            with contextlib.closing(sqlite3.connect(partial)) as connection, connection:
                connection.executescript(_SCHEMA)
                _insert(connection, "records", records.values())
                _insert(connection, "passes", {record.uid: record for record in passes}.values())
        except sqlite3.OperationalError as error:
            raise WriteError(f"{path} cannot be written: {error}") from error


def protocol_version(path: Path) -> int:
    """Return which version of the protocol the records of such a file were measured by."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        raise StoreError(f"the measurements in {path} cannot be read: {_first_line(error)}") from error


def read_measurements(path: Path) -> list[ProcessRecord]:
    """Return the records of a file that `save_measurements` wrote, in order of time; the file is only read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT record FROM records ORDER BY recorded_at, rowid").fetchall()
        return [_RECORD.validate_json(row[0]) for row in rows]
    except (sqlite3.Error, ValidationError) as error:
        raise StoreError(f"the measurements in {path} cannot be read: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _text(record: ProcessRecord | PassRecord) -> str:
    form: TypeAdapter[Any] = _RECORD if isinstance(record, ProcessRecord) else TypeAdapter(type(record))
    return form.dump_json(record).decode()


def _insert(connection: sqlite3.Connection, table: str, records: Iterable[ProcessRecord | PassRecord]) -> None:
    columns = ("uid", *_KEY, "recorded_at", "record")
    marks = ", ".join("?" * len(columns))
    connection.executemany(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",
        [
            (
                record.uid,
                *device_key(record.fingerprint).values(),
                record.precision,
                record.batch_size,
                record.topology,
                record.kind,
                record.recorded_at,
                _text(record),
            )
            for record in records
        ],
    )
