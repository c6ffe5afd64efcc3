"""The file of one run's measurements: what it holds, and of which network."""

import sqlite3
from pathlib import Path

import pytest

from harness.files import WriteError
from harness.measuring import (
    Measured,
    Measurement,
    MemoryRecord,
    ProcessRecord,
    Store,
    StoreError,
    Subject,
    read_measurements,
    save_measurements,
)
from tests.measuring.records import FINGERPRINT, memory, record

SUBJECT = Subject("any name", Path("any.onnx"), "t")


def test_the_run_s_own_file_holds_exactly_its_measurements_and_is_a_store(store: Store, tmp_path: Path) -> None:
    kept, other = record(), record()
    store.add([kept, other])
    path = tmp_path / "measurements.sqlite"
    for _ in range(2):
        save_measurements([Measurement(SUBJECT, (kept,), "ok")] * 2, path)
    assert [file.name for file in tmp_path.glob("measurements*")] == [path.name]
    assert Store(path).find(FINGERPRINT, SUBJECT, "finalist") == [kept]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot be written"):
        save_measurements([], tmp_path / "file" / "measurements.sqlite")


def test_passes_are_saved_with_the_run_s_measurements(tmp_path: Path) -> None:
    path = tmp_path / "measurements.sqlite"
    kept = memory(reason="no sensor")
    save_measurements([Measurement(SUBJECT, (record(),), "ok")], path, [kept, kept])
    assert Store(path).latest(FINGERPRINT, SUBJECT, MemoryRecord) == kept
    assert isinstance(Store(path).find(FINGERPRINT, SUBJECT, "finalist")[0], ProcessRecord)


def test_a_run_s_measurements_are_read_in_order_of_time_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a run?" / "measurements.sqlite"
    path.parent.mkdir()
    late, early = record(uid="late", recorded_at="2025-01-01T00:00:00.000+00:00"), record(uid="early")
    save_measurements([Measurement(SUBJECT, (late, early), "ok")], path)
    before = path.read_bytes()
    assert read_measurements(path).records == [early, late]
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"no database", b""])
def test_measurements_that_cannot_be_read_are_told_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "measurements.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"the measurements in .* cannot be read: "):
        read_measurements(path)


def test_finalists_are_found_by_what_they_are_of(tmp_path: Path) -> None:
    path, other = tmp_path / "measurements.sqlite", Subject("other", Path("other.onnx"), "u")
    own, explored, another = record(), record(kind="explore"), record(topology="u", batch_size=8)
    save_measurements([Measurement(SUBJECT, (own, explored), "ok"), Measurement(other, (another,), "ok")], path)
    assert read_measurements(path).finalists() == {
        Measured("cpu", "fp32", 1, "any name"): [own],
        Measured("cpu", "fp32", 8, "other"): [another],
    }


def test_a_file_from_before_names_were_kept_has_records_of_nothing_known(tmp_path: Path) -> None:
    path = tmp_path / "measurements.sqlite"
    save_measurements([Measurement(SUBJECT, (kept := record(),), "ok")], path)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE networks")
    found = read_measurements(path)
    assert (found.records, found.names, found.finalists()) == ([kept], None, {})
