import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from harness.measuring import Measurement, MeasurementError, Store, Subject, save_measurements
from tests.measuring.records import FINGERPRINT, record

SUBJECT = Subject("any name", Path("any.onnx"), "t")


def test_a_record_comes_back_as_it_was_kept_even_by_another_store(store: Store) -> None:
    kept = [record(clock_mhz=(2000.0, 1900.5), others_load=0.25), record(recorded_at="2025-01-01T00:00:00.000+00:00")]
    store.add(kept)
    assert Store(store.path).find(FINGERPRINT, SUBJECT, "finalist") == kept


@pytest.mark.parametrize(
    "change",
    [
        {"board": "other"},
        {"os_release": "other"},
        {"engine": "other"},
        {"engine_version": "other"},
        {"power_mode": "15W"},
        {"threads": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_device_system_runtime_mode_or_threads_is_another_measurement(
    store: Store, change: dict[str, object]
) -> None:
    store.add([record()])
    assert not store.find(FINGERPRINT.model_copy(update=change), SUBJECT, "finalist")


@pytest.mark.parametrize("change", [{"topology": "u"}, {"precision": "fp16"}, {"batch_size": 8}])
def test_another_graph_precision_or_batch_is_another_measurement(store: Store, change: dict[str, Any]) -> None:
    store.add([record(**change)])
    assert not store.find(FINGERPRINT, SUBJECT, "finalist")


def test_neither_the_moment_nor_the_name_is_part_of_the_key(store: Store) -> None:
    store.add([record()])
    later = FINGERPRINT.model_copy(update={"boot_id": "x", "governor": "performance", "device": "mine"})
    assert store.find(later, SUBJECT, "finalist")
    assert not store.find(FINGERPRINT, SUBJECT, "explore")


def test_records_are_kept_all_or_none(store: Store) -> None:
    first = record()
    with pytest.raises(MeasurementError, match="UNIQUE"):
        store.add([first, record(), first])
    assert not store.find(FINGERPRINT, SUBJECT, "finalist")


def test_threads_may_write_at_once(store: Store) -> None:
    threads = [threading.Thread(target=store.add, args=([record() for _ in range(5)],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.find(FINGERPRINT, SUBJECT, "finalist")) == 20


def test_a_file_that_is_no_store_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be looked at" * 50)
    with pytest.raises(MeasurementError, match=r"notes\.txt cannot be used"):
        Store(tmp_path / "notes.txt")


def test_a_store_of_another_version_is_refused(store: Store) -> None:
    with sqlite3.connect(store.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(MeasurementError, match="version 99"):
        Store(store.path)


def test_a_record_that_makes_no_sense_is_a_measurement_error(store: Store) -> None:
    store.add([record()])
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE records SET record = '{}'")
    with pytest.raises(MeasurementError, match="cannot be read"):
        store.find(FINGERPRINT, SUBJECT, "finalist")


def test_the_run_s_own_file_holds_exactly_its_measurements_and_is_a_store(store: Store, tmp_path: Path) -> None:
    kept, other = record(), record()
    store.add([kept, other])
    path = tmp_path / "measurements.sqlite"
    for _ in range(2):
        save_measurements([Measurement(SUBJECT, (kept,), "ok")] * 2, path)
    assert [file.name for file in tmp_path.glob("measurements*")] == [path.name]
    assert Store(path).find(FINGERPRINT, SUBJECT, "finalist") == [kept]


def test_a_place_that_cannot_be_written_is_a_measurement_error(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="cannot be written"):
        save_measurements([], tmp_path / "absent" / "measurements.sqlite")
