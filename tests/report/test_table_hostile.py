"""tradeoff.csv from strangers: read, or refused in one sentence; and whatever rows there are survive the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report import ReportError, read_csv, write_csv
from tests.hostile import damaged, read_or_refused, refusal
from tests.report.factory import row

CELLS = (
    *("", "0", "-1", "nan", "inf", "1e999", "1e-999", "1" * 5000, "0x10", "²", "true", "\0", "a\nb", "\x1b[2J"),
    *("x" * 10_000, "x" * 200_000, "=1+1", "é" * 300, "1_0", " 1 "),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("table") / "tradeoff.csv"


@pytest.fixture(scope="module")
def table(file: Path) -> bytes:
    write_csv([row(), row(precision="int8", selected="yes", budget="1/2;10ms")], file)
    return file.read_bytes()


def with_cell(table: bytes, line: int, column: int, cell: str) -> bytes:
    lines = list(csv.reader(io.StringIO(table.decode())))
    lines[line][column] = cell
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_table_is_read_or_refused_in_one_sentence(file: Path, table: bytes, data: st.DataObject) -> None:
    replaced = st.builds(with_cell, st.just(table), st.integers(0, 2), st.integers(0, 41), st.sampled_from(CELLS))
    file.write_bytes(data.draw(replaced | damaged(table)))
    read_or_refused(lambda: write_csv(read_csv(file), file.with_name("again.csv")), ReportError)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.replace(b"device", b"d" * 10_000, 1),
        lambda table: table.replace(b",int8,", b"," + b"i" * 10_000 + b",", 1),
        lambda table: (table + table.splitlines(keepends=True)[1]).replace(b"cpu", b"c" * 10_000),
    ],
    ids=["header", "cell", "twice"],
)
def test_a_refusal_does_not_repeat_a_text_without_end(
    file: Path, table: bytes, change: Callable[[bytes], bytes]
) -> None:
    file.write_bytes(change(table))
    refusal(lambda: read_csv(file), ReportError)
