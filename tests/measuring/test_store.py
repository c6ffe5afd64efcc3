import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from devices import Fingerprint, Protocol
from harness.measuring import EnergyRecord, MemoryRecord, Store, StoreError, Subject
from harness.measuring.conditions import conditions_of
from harness.measuring.results import device_key
from tests.measuring.records import FINGERPRINT, memory, reading, record

SUBJECT = Subject("any name", Path("any.onnx"), "t")


def test_a_record_comes_back_as_it_was_kept_even_by_another_store(store: Store) -> None:
    kept = [record(clock_mhz=(2000.0, 1900.5), others_load=0.25), record(recorded_at="2025-01-01T00:00:00.000+00:00")]
    store.add(kept)
    assert Store(store.path).find(FINGERPRINT, SUBJECT, "finalist") == kept


def test_the_gpu_s_driver_tells_apart_what_computes_on_the_gpu_alone(store: Store) -> None:
    def on(engine: str, driver: str | None) -> Fingerprint:
        return FINGERPRINT.model_copy(update={"engine": engine, "gpu": "NVIDIA", "gpu_driver": driver})

    for engine in ("torch", "onnxruntime"):
        store.add([record(fingerprint=on(engine, "550.54"))])
        assert len(store.find(on(engine, "550.54"), SUBJECT, "finalist")) == 1
    assert store.find(on("torch", "560.28"), SUBJECT, "finalist") == []
    assert store.find(on("torch", None), SUBJECT, "finalist") == []
    assert len(store.find(on("onnxruntime", "560.28"), SUBJECT, "finalist")) == 1


def test_the_key_of_a_processor_s_engine_is_what_older_stores_have() -> None:
    fingerprint = FINGERPRINT.model_copy(update={"gpu_driver": "550.54"})
    assert device_key(fingerprint) == {
        "board": "board",
        "os_release": "system 1, kernel 2",
        "engine": "onnxruntime",
        "engine_version": "1.20",
        "power_mode": "",
        "threads": 1,
    }


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
    with pytest.raises(StoreError, match="UNIQUE"):
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
    with pytest.raises(StoreError, match=r"notes\.txt cannot be used"):
        Store(tmp_path / "notes.txt")


def test_a_store_of_another_version_is_refused(store: Store) -> None:
    with sqlite3.connect(store.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="version 99"):
        Store(store.path)


def test_a_record_that_makes_no_sense_is_a_measurement_error(store: Store) -> None:
    store.add([record()])
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE records SET record = '{}'")
    with pytest.raises(StoreError, match="cannot be read"):
        store.find(FINGERPRINT, SUBJECT, "finalist")


def test_conditions_come_back_as_they_were_kept(store: Store) -> None:
    conditions = conditions_of(
        [reading(cpu_mhz=2000, temperatures_c={"cpu": 50}), reading(cpu_mhz=1800, throttling=("hot",))]
    )
    kept = [record(conditions=conditions)]
    store.add(kept)
    assert store.find(FINGERPRINT, SUBJECT, "finalist") == kept


def test_a_record_from_before_sensors_were_read_can_still_be_read(store: Store) -> None:
    kept = record(clock_mhz=(2000.0, 1900.0))
    store.add([kept])
    with sqlite3.connect(store.path) as connection:
        (text,) = connection.execute("SELECT record FROM records").fetchone()
        old = json.loads(text)
        del old["conditions"], old["compute_ns"]
        for name in ("gpu", "gpu_driver", "memory_mb"):
            del old["fingerprint"][name]
        for name in Protocol.model_fields:
            if name.startswith(("throttle_", "cool_", "memory_", "energy_", "sustained_")):
                del old["protocol"][name]
        connection.execute("UPDATE records SET record = ?", (json.dumps(old),))
    (found,) = store.find(FINGERPRINT, SUBJECT, "finalist")
    assert found.conditions is None
    assert found == kept


def test_a_store_from_before_there_were_passes_takes_them(store: Store) -> None:
    kept = record()
    store.add([kept])
    with sqlite3.connect(store.path) as connection:
        connection.execute("DROP TABLE passes")
    again = Store(store.path)
    again.add_pass(memory(peak_mb=3.0))
    assert again.latest(FINGERPRINT, SUBJECT, MemoryRecord) == memory(peak_mb=3.0)
    assert again.find(FINGERPRINT, SUBJECT, "finalist") == [kept]


def test_a_clock_that_was_once_ahead_does_not_put_later_records_behind(store: Store) -> None:
    ahead, right = "2034-01-01T00:00:00.000+00:00", "2024-01-02T00:00:00.000+00:00"
    for index, moment in enumerate((ahead, right)):
        store.add([record(uid=f"r{index}", recorded_at=moment)])
        store.add_pass(memory(uid=f"m{index}", peak_mb=3.0 + index, recorded_at=moment))
    assert [kept.recorded_at for kept in store.find(FINGERPRINT, SUBJECT, "finalist")] == [ahead, right]
    last = store.latest(FINGERPRINT, SUBJECT, MemoryRecord)
    assert last is not None
    assert last.recorded_at == right


def test_the_last_pass_of_a_kind_is_found_for_its_device_and_graph_alone(store: Store) -> None:
    later = memory(uid="m2", peak_mb=4.0, recorded_at="2024-01-02T00:00:00.000+00:00")
    for each in (memory(peak_mb=3.0), later):
        store.add_pass(each)
    assert store.latest(FINGERPRINT, SUBJECT, MemoryRecord) == later
    assert store.latest(FINGERPRINT, SUBJECT, EnergyRecord) is None
    assert store.latest(FINGERPRINT, Subject("x", Path("x"), "other"), MemoryRecord) is None
    assert store.latest(FINGERPRINT.model_copy(update={"power_mode": "15W"}), SUBJECT, MemoryRecord) is None
