"""The store: every process's raw samples, and the passes after them, kept across runs in one SQLite file.

What a record is found by is what its cost depends on: board, OS release, engine and version, power mode, threads,
precision, batch size, and the graph's topology - neither its weights nor the momentary clocks.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import platformdirs
from pydantic import TypeAdapter, ValidationError

from devices import Fingerprint
from harness.databases import connected
from harness.files import WriteError
from harness.measuring.passes import PassRecord
from harness.measuring.results import Kind, ProcessRecord, Subject, device_key
from harness.measuring.tables import KEY, RECORD, SCHEMA, VERSION, StoreError, insert

_Kept = TypeVar("_Kept")
Record = TypeVar("Record", bound=PassRecord)


class Store:
    """Records in one file, made where it is absent. Each operation has its own connection, so threads may share it.

    `resuming` says that the command goes on with one that was interrupted.

    All raise StoreError, and WriteError where the disk refuses or other processes do not let the file go.
    """

    def __init__(self, path: Path | None = None, *, resuming: bool = False) -> None:
        self._resuming = resuming
        self._added: set[str] = set()
        self.path = path or Path(platformdirs.user_cache_dir("slimda-edge")) / f"measurements-{VERSION}.sqlite"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"the store {self.path} cannot be made: {error.strerror}") from error
        with self._connected() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):
                raise StoreError(f"the store {self.path} is of version {version}, not {VERSION}; name another one")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)

    def add(self, records: Sequence[ProcessRecord]) -> None:
        """Keep `records`, all or none; when this returns they survive the death of this process."""
        with self._connected() as connection:
            insert(connection, "records", records)
        self._added.update(record.uid for record in records)

    def dated(self, record: ProcessRecord) -> bool:
        """Whether the record was here before the command that opened the store, which does not resume another."""
        return not self._resuming and record.uid not in self._added

    def add_pass(self, record: PassRecord) -> None:
        """Keep the record of a pass."""
        with self._connected() as connection:
            insert(connection, "passes", [record])

    def latest(self, fingerprint: Fingerprint, subject: Subject, kind: type[Record]) -> Record | None:
        """Return the last pass of a kind over a subject on a device."""
        found = self._select("passes", fingerprint, subject, kind.kind)
        return self._read(TypeAdapter(kind), found[-1]) if found else None

    def find(self, fingerprint: Fingerprint, subject: Subject, kind: Kind) -> list[ProcessRecord]:
        """Return what was measured of a subject on a device, in the order in which it was kept."""
        return [self._read(RECORD, text) for text in self._select("records", fingerprint, subject, kind)]

    def _select(self, table: str, fingerprint: Fingerprint, subject: Subject, kind: str) -> list[str]:
        """Return the texts of records in the order in which they were kept, which no clock that was wrong disturbs."""
        values = (*device_key(fingerprint).values(), subject.precision, subject.batch_size, subject.topology, kind)
        condition = " AND ".join(f"{name} = ?" for name in KEY)
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
        with connected(self.path, f"the store {self.path}", StoreError, "; name another one") as connection:
            connection.execute("PRAGMA synchronous = FULL")
            yield connection
