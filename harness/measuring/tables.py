"""The tables of measurements: records and passes as rows that the store finds them by, whole in their last column."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from harness.measuring.passes import PassRecord
from harness.measuring.results import ProcessRecord, device_key

#: Of the tables, and of how what they hold was measured: since 2 a visit settles before it is timed, since 3
#: several threads spin between runs and have a core each.
VERSION = 3
KEY = (
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
TABLES = ("records", "passes")
SCHEMA = "".join(
    f"""
CREATE TABLE IF NOT EXISTS {table} (
    uid TEXT PRIMARY KEY, board TEXT NOT NULL, os_release TEXT NOT NULL, engine TEXT NOT NULL,
    engine_version TEXT NOT NULL, power_mode TEXT NOT NULL, threads INTEGER NOT NULL, precision TEXT NOT NULL,
    batch_size INTEGER NOT NULL, topology TEXT NOT NULL, kind TEXT NOT NULL, recorded_at TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS {table}_by_key ON {table} ({", ".join(KEY)});
"""
    for table in TABLES
)
SCHEMA += f"PRAGMA user_version = {VERSION};\n"

RECORD = TypeAdapter(ProcessRecord)


class StoreError(ValueError):
    """A file of measurements that cannot be used; the message says why in one sentence."""


def insert(connection: sqlite3.Connection, table: str, records: Iterable[ProcessRecord | PassRecord]) -> None:
    """Add records to a table; one that is there already is an error."""
    columns = ("uid", *KEY, "recorded_at", "record")
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


def _text(record: ProcessRecord | PassRecord) -> str:
    form: TypeAdapter[Any] = RECORD if isinstance(record, ProcessRecord) else TypeAdapter(type(record))
    return form.dump_json(record).decode()
