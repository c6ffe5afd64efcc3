"""Write and read ``tradeoff.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.clauses import one_line
from harness.files import write_whole
from harness.report.rows import Row, columns

_ROW = TypeAdapter(Row)


class ReportError(Exception):
    """A table that cannot be written or read; the message is one sentence with the file and, if known, the place."""


def write_csv(rows: Iterable[Row], path: Path) -> None:
    """Write the rows in the order given: UTF-8, unknown as an empty cell, floats in their shortest exact form.

    Raises ``ReportError`` if two rows have the same key.
    """
    rows = list(rows)
    _refuse_duplicates(rows, path)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns())
    writer.writerows([_cell(getattr(row, name)) for name in columns()] for row in rows)
    write_whole(path, text.getvalue().encode())


def read_csv(path: Path) -> list[Row]:
    """Read a table that ``write_csv`` wrote; anything else raises ``ReportError`` with file, line and column."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            _check_header(next(reader, []), path)
            rows = [_row(cells, f"{path}, line {reader.line_num}") for cells in reader]
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror}).") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReportError(f"{path}: is not a CSV file in UTF-8 ({error}).") from error
    _refuse_duplicates(rows, path)
    return rows


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else repr(value)


def _check_header(found: Sequence[str], path: Path) -> None:
    for position, (want, have) in enumerate(zip(columns(), found, strict=False), start=1):
        if want != have:
            raise ReportError(
                f"{path}, line 1: column {position} is {one_line(repr(have), 60)} where {want!r} belongs."
            )
    if len(found) != len(columns()):
        raise ReportError(f"{path}, line 1: {len(found)} columns instead of {len(columns())}.")


def _row(cells: Sequence[str], place: str) -> Row:
    if len(cells) != len(columns()):
        raise ReportError(f"{place}: {len(cells)} cells instead of {len(columns())}.")
    try:
        return _ROW.validate_python(dict(zip(columns(), (cell or None for cell in cells), strict=True)))
    except ValidationError as error:
        first = error.errors()[0]
        column = f", column {first['loc'][0]}" if first["loc"] else ""
        found = f" (found {one_line(repr(first['input']), 60)})" if first["loc"] else ""
        raise ReportError(f"{place}{column}: {first['msg'].removeprefix('Value error, ')}{found}.") from error


def _refuse_duplicates(rows: Sequence[Row], path: Path) -> None:
    seen = set()
    for row in rows:
        if row.key in seen:
            raise ReportError(
                f"{path}: two rows for subnet {row.arch_id} on {one_line(row.device, 60)} in one configuration."
            )
        seen.add(row.key)
