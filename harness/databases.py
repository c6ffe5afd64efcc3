"""SQLite files: connections, and what SQLite complains of put into words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.clauses import complaint
from harness.files import WriteError

_BUSY_S = 30.0

#: SQLITE_ERROR, what statements fail with on tables of another form. Python names it since 3.11.
_OTHER_TABLES = 1


@contextmanager
def connected(path: Path, named: str, refusal: type[Exception], advice: str = "") -> Iterator[sqlite3.Connection]:
    """Connect to a database, made where it is absent; the block ends it with all that was done, or with nothing.

    Raises `refusal` with `advice` where the file is damaged or of something else, and WriteError where the disk refuses
    or other processes do not let the file go; both call it what it is `named`.
    """
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_S)) as connection, connection:
            connection.text_factory = bytes.decode  # damaged letters are damage, not a disk that refuses
            yield connection
    except (sqlite3.Error, UnicodeDecodeError) as error:
        said = f"{named} cannot be used: {complaint(error)}"
        if isinstance(error, sqlite3.OperationalError) and getattr(error, "sqlite_errorcode", 0) != _OTHER_TABLES:
            raise WriteError(said) from error
        raise refusal(said + advice) from error
