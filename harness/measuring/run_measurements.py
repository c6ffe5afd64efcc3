"""The measurements of one run: a file of the store's form, which also says what network each graph is."""

import contextlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from harness.clauses import complaint
from harness.files import WriteError, whole
from harness.measuring.passes import PassRecord
from harness.measuring.results import Measurement, ProcessRecord
from harness.measuring.tables import RECORD, SCHEMA, StoreError, insert

_NETWORKS = "CREATE TABLE networks (topology TEXT PRIMARY KEY, name TEXT NOT NULL)"


class Measured(NamedTuple):
    """What finalists' records of a run belong to."""

    device: str
    precision: str
    batch_size: int
    name: str
    """Of the network: its arch_id."""


@dataclass(frozen=True)
class RunMeasurements:
    """What such a file holds of latency."""

    protocol: int
    """Version of the protocol that all of it was measured by."""
    records: list[ProcessRecord]
    """In order of time."""
    names: dict[str, str] | None
    """Of the networks, by topology; None in files from before they were kept."""

    def finalists(self) -> dict[Measured, list[ProcessRecord]]:
        """Return the records of fresh processes by what they are of; nothing where no names are known."""
        found: dict[Measured, list[ProcessRecord]] = defaultdict(list)
        for record in self.records:
            name = (self.names or {}).get(record.topology)
            if record.kind == "finalist" and name is not None:
                found[Measured(record.fingerprint.device, record.precision, record.batch_size, name)].append(record)
        return dict(found)


def save_measurements(measurements: Sequence[Measurement], path: Path, passes: Iterable[PassRecord] = ()) -> None:
    """Write the records of `measurements`, and `passes`, atomically replacing what is at `path`."""
    records = {record.uid: record for measurement in measurements for record in measurement.records}
    names = {measurement.subject.topology: measurement.subject.name for measurement in measurements}
    with whole(path) as partial:
        try:
            with contextlib.closing(sqlite3.connect(partial)) as connection, connection:
                connection.executescript(SCHEMA)
                insert(connection, "records", records.values())
                insert(connection, "passes", {record.uid: record for record in passes}.values())
                connection.execute(_NETWORKS)
                connection.executemany("INSERT INTO networks VALUES (?, ?)", names.items())
        except sqlite3.OperationalError as error:
            raise WriteError(f"{path} cannot be written: {error}") from error


def read_measurements(path: Path) -> RunMeasurements:
    """Return what a file that `save_measurements` wrote holds of latency; the file is only read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            (protocol,) = connection.execute("PRAGMA user_version").fetchone()
            rows = connection.execute("SELECT record FROM records ORDER BY recorded_at, rowid").fetchall()
            kept = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'networks'").fetchone()
            names = dict(connection.execute("SELECT topology, name FROM networks")) if kept else None
        return RunMeasurements(protocol, [RECORD.validate_json(row[0]) for row in rows], names)
    except (sqlite3.Error, UnicodeDecodeError, ValidationError) as error:
        raise StoreError(f"the measurements in {path} cannot be read: {complaint(error)}") from error
