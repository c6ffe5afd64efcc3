import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.files import WriteError
from harness.report import ReportError, Row, columns, read_csv, write_csv

from .factory import row, tradeoff

positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
counts = st.integers(1, 2**63)
share = st.floats(min_value=0, max_value=1)
text = st.text(min_size=1).filter(lambda t: any(c.isprintable() and not c.isspace() for c in t))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def rows(draw: st.DrawFn) -> Row:
    low, p50, high = sorted(draw(st.tuples(positive, positive, positive)))
    bottom, accuracy, top = sorted(draw(st.tuples(share, share, share)))
    latency: dict[str, Any] = {"host_ci_low_ms": low, "host_ci_high_ms": high}
    labelled: dict[str, Any] = {"target_accuracy": accuracy, "accuracy_ci_low": bottom, "accuracy_ci_high": top}
    macs = draw(st.integers(1, 10**15))
    return row(
        device=draw(text),
        engine=draw(maybe(text)),
        engine_version=draw(maybe(text)),
        power_mode=draw(maybe(text)),
        threads=draw(maybe(st.integers(1, 512))),
        precision=draw(st.sampled_from(["fp32", "fp16", "int8"])),
        arch_id=draw(st.text("0123456789abcdef", min_size=12, max_size=12)),
        widths="-".join(map(str, draw(st.lists(st.integers(1, 10**6), min_size=1, max_size=20)))),
        batch_size=draw(counts),
        params=draw(counts),
        model_bytes=draw(maybe(counts)),
        samples=draw(maybe(counts)),
        rounds=draw(maybe(counts)),
        processes=draw(maybe(counts)),
        throughput_ips=draw(maybe(positive)),
        sustained_p50_ms=draw(maybe(positive)),
        compute_p50_ms=draw(maybe(positive)),
        predicted_ms=draw(maybe(positive)),
        chosen_by=draw(maybe(st.sampled_from(["greedy", "evolution", "random", "uniform"]))),
        **({"selected": "yes", "budget": "1/64;10ms+30MB"} if draw(st.booleans()) else {}),
        compute_fraction=draw(st.floats(0, 1, exclude_min=True)),
        macs=macs,
        flops=2 * macs,
        host_p50_ms=p50,
        **(latency if draw(st.booleans()) else {"host_ci_low_ms": None, "host_ci_high_ms": None}),
        first_ms=draw(maybe(positive)),
        energy_mj=draw(maybe(positive)),
        peak_memory_mb=draw(maybe(st.floats(min_value=0, allow_infinity=False))),
        upem=draw(maybe(st.floats(min_value=0, allow_infinity=False))),
        agreement=draw(maybe(share)),
        **(labelled if draw(st.booleans()) else {}),
        status="noisy",
        reason=draw(text),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(rows(), max_size=4, unique_by=lambda row: row.key))
def test_what_is_written_is_read_back_exactly(table: list[Row], tmp_path: Path) -> None:
    write_csv(table, tmp_path / "tradeoff.csv")
    assert read_csv(tmp_path / "tradeoff.csv") == table


def test_unknown_is_empty_and_never_zero(tmp_path: Path) -> None:
    write_csv([row(upem=0.0)], tmp_path / "t.csv")
    header, line = (tmp_path / "t.csv").read_text().splitlines()
    cells = dict(zip(header.split(","), line.split(","), strict=True))
    assert cells["energy_mj"] == cells["host_p99_ms"] == cells["reason"] == ""
    assert cells["upem"] == "0.0"
    assert header == ",".join(columns())


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write_csv(tradeoff(labels=True), tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_crash_while_writing_leaves_the_old_table_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tradeoff.csv"
    write_csv([row()], path)
    before = path.read_bytes()

    def crash(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(WriteError, match="disk full"):
        write_csv([row(upem=0.5)], path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_two_rows_of_one_subnet_in_one_configuration_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="two rows for subnet 0123456789ab on cpu"):
        write_csv([row(), row(upem=0.3)], tmp_path / "t.csv")
    assert not list(tmp_path.iterdir())
    write_csv([row(), row(precision="int8")], tmp_path / "t.csv")


def damaged(path: Path, old: str, new: str) -> Path:
    write_csv([row(), dataclasses.replace(row(), arch_id="f" * 12, host_p50_ms=0.1017)], path)
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("engine_version", "version", r"t\.csv, line 1: column 3 is 'version' where 'engine_version' belongs\.$"),
        (",reason", "", r"t\.csv, line 1: 41 columns instead of 42\.$"),
        ("0.1017", "fast", r"t\.csv, line 3, column host_p50_ms: .*valid number.*'fast'\)\.$"),
        ("0.1017", "0.0", r"t\.csv, line 3, column host_p50_ms: .*greater than 0"),
        ("0.1017", "nan", r"t\.csv, line 3, column host_p50_ms: .*finite"),
        ("0.1017", "9.0", r"t\.csv, line 3: host_ci_low_ms and host_ci_high_ms must .* enclose host_p50_ms\.$"),
        ("11800000", "5900000", r"t\.csv, line 2: flops must be twice macs\.$"),
        (",measured,", ",", r"t\.csv, line 2: 41 cells instead of 42\.$"),
        ("f" * 12, "0123456789ab", r"t\.csv: two rows for subnet"),
        ("cpu", '"cpu', r"t\.csv: is not a CSV file"),
    ],
)
def test_a_damaged_table_is_refused_with_the_place(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    with pytest.raises(ReportError, match=complaint):
        read_csv(damaged(tmp_path / "t.csv", old, new))


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"absent\.csv: cannot be read"):
        read_csv(tmp_path / "absent.csv")
    (tmp_path / "empty.csv").touch()
    with pytest.raises(ReportError, match="0 columns instead of 42"):
        read_csv(tmp_path / "empty.csv")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ReportError, match="not a CSV file in UTF-8"):
        read_csv(tmp_path / "picture.csv")
