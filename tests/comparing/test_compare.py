"""`python benchmark.py compare`: what it says of runs, and what it refuses to."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.comparing.made import FULL, made_run
from tests.measuring.records import FINGERPRINT
from tests.report.factory import row, unmeasured
from tests.runs import assert_one_sentence, run_here

B, C, D, E = (letter * 12 for letter in "bcde")
LATENCIES = {FULL: 4000.0, B: 2000.0, C: 1000.0, D: 500.0}


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return made_run(tmp_path / "before", LATENCIES, seed=1, budgets={"1": FULL, "1/2": B, "1/4": C})


def compared(*arguments: object) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Return the exit code, the comparisons by name, and what was told."""
    done = run_here("compare", *arguments, "--json")
    told = json.loads(done.out.splitlines()[-1])
    assert told["exit_code"] == done.code
    return done.code, {line["name"]: line for line in told.get("compared", [])}, done.err


def test_the_same_subnets_are_faster_slower_or_not_different(before: Path, tmp_path: Path) -> None:
    after = made_run(tmp_path / "after", {**LATENCIES, B: 1800.0, C: 1100.0}, seed=2, budgets={"1": FULL})
    code, found, told = compared(before, after)
    assert code == 0
    verdicts = {name: line["verdict"] for name, line in found.items()}
    assert verdicts == {FULL: "no difference", B: "faster", C: "slower", D: "no difference"}
    assert found[B]["ratio_low"] < 0.9 < found[B]["ratio_high"] < 1
    assert found[B]["relative_to"] == "anchor"
    assert found[C]["regression"]
    assert "1 faster, 1 slower (1 by more than the larger of 2% and 3 µs), 2 no difference" in told


def test_budgets_are_compared_where_other_subnets_answer_them(before: Path, tmp_path: Path) -> None:
    after = made_run(tmp_path / "after", {FULL: 4000.0, E: 1500.0}, seed=2, budgets={"1": FULL, "1/2": E})
    _, found, _ = compared(before, after)
    assert set(found) == {FULL, "1/2"}
    line = found["1/2"]
    assert (line["compared"], line["before_arch_id"], line["after_arch_id"]) == ("budget", B, E)
    assert line["ratio"] == pytest.approx(0.75, rel=0.01)
    assert line["verdict"] == "faster"


def test_a_regression_fails_a_gate_and_nothing_else(before: Path, tmp_path: Path) -> None:
    after = made_run(tmp_path / "after", {**LATENCIES, C: 1100.0}, seed=2)
    assert compared(before, after)[0] == 0
    code, _, told = compared(before, after, "--fail-on-regression")
    assert code == 1
    assert f"error: slower by more than the larger of 2% and 3 µs: {C}" in told
    assert compared(before, after, "--fail-on-regression", "--threshold", 15)[0] == 0


def test_what_is_slower_by_less_than_three_microseconds_is_no_regression(tmp_path: Path) -> None:
    runs = [made_run(tmp_path / str(us), {FULL: 100.0, B: us}, seed=int(us), anchor_us=100.0) for us in (20.0, 22.0)]
    code, found, _ = compared(*runs, "--fail-on-regression")
    assert found[B]["verdict"] == "slower"
    assert (code, found[B]["regression"]) == (0, False)


def test_another_engine_version_is_compared_by_absolute_latency_that_no_anchor_hides(
    before: Path, tmp_path: Path
) -> None:
    newer = FINGERPRINT.model_copy(update={"engine_version": "1.21"})
    slower = {name: 1.5 * us for name, us in LATENCIES.items()}
    after = made_run(tmp_path / "after", slower, seed=2, anchor_us=6000.0, fingerprint=newer)
    code, found, told = compared(before, after, "--fail-on-regression")
    assert code == 1
    assert {line["relative_to"] for line in found.values()} == {"nothing"}
    assert all(line["regression"] for line in found.values())
    assert "onnxruntime 1.20, 1 thread → onnxruntime 1.21, 1 thread" in " ".join(told.split())


def test_a_machine_that_slowed_as_a_whole_shows_in_the_line_of_the_anchor(tmp_path: Path) -> None:
    runs = [
        made_run(tmp_path / str(scale), {B: 2000.0 * scale}, seed=int(10 * scale), anchor_us=4000.0 * scale)
        for scale in (1.0, 1.4)
    ]
    _, found, _ = compared(*runs)
    assert found[B]["verdict"] == "no difference"
    anchor = found["full width (the anchor)"]
    assert (anchor["verdict"], anchor["compared"], anchor["before_arch_id"]) == ("slower", "anchor", None)


def test_two_devices_are_compared_where_each_run_has_one(before: Path, tmp_path: Path) -> None:
    board = FINGERPRINT.model_copy(update={"device": "my|board", "board": "other"})
    after = made_run(tmp_path / "after", {B: 1000.0}, seed=2, anchor_us=2000.0, fingerprint=board)
    _, found, _ = compared(before, after)
    assert found[B]["ratio"] == pytest.approx(0.5, rel=0.1)
    assert (found[B]["before_device"], found[B]["after_device"]) == ("cpu", "my|board")


def test_failed_and_noisy_rows_are_said_and_never_numbers(before: Path, tmp_path: Path) -> None:
    after = made_run(tmp_path / "after", {FULL: 4000.0, D: 500.0}, seed=2)
    failed = unmeasured(row(arch_id=B), status="failed", reason="the engine failed")
    noisy = row(arch_id=C, processes=6, samples=300, status="noisy", reason="others were at work")
    again = made_run(tmp_path / "again", {FULL: 4000.0, D: 500.0}, seed=3, more=[failed, noisy])
    _, found, told = compared(before, again)
    for name, reason in ((B, "after: failed, the engine failed"), (C, "after: noisy, others were at work")):
        assert (found[name]["verdict"], found[name]["reason"]) == ("not compared", reason)
        assert {found[name][figure] for figure in ("before_ms", "after_ms", "ratio", "ratio_low")} == {None}
    assert "not compared" in told
    assert compared(before, again, "--fail-on-regression")[0] == 5
    assert compared(before, after, "--fail-on-regression")[0] == 0


def test_measurements_that_both_runs_took_from_one_store_are_not_compared(before: Path, tmp_path: Path) -> None:
    code, found, told = compared(before, shutil.copytree(before, tmp_path / "copy"))
    assert code == 5
    assert {line["verdict"] for line in found.values()} == {"not compared"}
    assert "same measurements in both runs" in told


def test_a_subnet_without_raw_samples_is_not_compared(before: Path, tmp_path: Path) -> None:
    after = made_run(tmp_path / "after", LATENCIES, seed=2)
    with sqlite3.connect(after / "measurements.sqlite") as connection:
        (topology,) = connection.execute("SELECT topology FROM networks WHERE name = ?", (B,)).fetchone()
        connection.execute("DELETE FROM records WHERE topology = ?", (topology,))
    _, found, _ = compared(before, after)
    assert found[B]["reason"] == "after: its raw samples are not in measurements.sqlite"
    assert found[C]["verdict"] == "no difference"


def test_csv_and_markdown_have_what_the_terminal_shows(before: Path, tmp_path: Path) -> None:
    after = made_run(tmp_path / "af|ter<b>", {**LATENCIES, B: 1800.0}, seed=2)
    table, page = tmp_path / "out.csv", tmp_path / "out.md"
    _, found, _ = compared(before, after, "--csv", table, "--markdown", page)
    rows = {line["name"]: line for line in csv.DictReader(table.read_text().splitlines())}
    assert {name: float(line["ratio"]) for name, line in rows.items()} == {
        name: line["ratio"] for name, line in found.items()
    }
    assert rows[B]["verdict"] == "faster"
    assert rows[B]["regression"] == "no"
    text = page.read_text()
    assert r"af\|ter&lt;b&gt;" in text
    assert "<b>" not in text
    line = next(line for line in text.splitlines() if line.startswith(f"| {B}"))
    assert line.endswith("| faster |")


class TestRefusals:
    def refused(self, *arguments: object) -> str:
        done = run_here("compare", *arguments)
        assert done.code == 2
        assert_one_sentence(done)
        return done.sentence

    def test_a_folder_that_holds_no_run(self, before: Path, tmp_path: Path) -> None:
        assert "there is no run in" in self.refused(before, tmp_path)
        assert list(before.parent.iterdir()) == [before], "nothing was written"

    def test_one_run_alone_or_twice(self, before: Path) -> None:
        assert "at least two run folders" in self.refused(before)
        assert "twice" in self.refused(before, before / ".." / before.name)

    def test_runs_with_nothing_in_common(self, before: Path, tmp_path: Path) -> None:
        other = made_run(tmp_path / "other", {E: 100.0}, seed=2, budgets={"1/64": E})
        assert "nothing in common" in self.refused(before, other)

    def test_a_damaged_csv(self, before: Path, tmp_path: Path) -> None:
        other = made_run(tmp_path / "other", LATENCIES, seed=2)
        text = (other / "tradeoff.csv").read_text()
        (other / "tradeoff.csv").write_text(text[: len(text) // 2])
        assert "tradeoff.csv, line" in self.refused(before, other)
        (other / "tradeoff.csv").unlink()
        assert "has no tradeoff.csv yet" in self.refused(before, other)

    def test_damaged_or_absent_measurements(self, before: Path, tmp_path: Path) -> None:
        other = made_run(tmp_path / "other", LATENCIES, seed=2)
        (other / "measurements.sqlite").write_bytes(b"no database")
        assert "cannot be read" in self.refused(before, other)
        (other / "measurements.sqlite").unlink()
        assert "has no measurements.sqlite" in self.refused(before, other)

    def test_measurements_of_an_older_version_that_do_not_say_what_they_are_of(
        self, before: Path, tmp_path: Path
    ) -> None:
        other = made_run(tmp_path / "other", LATENCIES, seed=2)
        with sqlite3.connect(other / "measurements.sqlite") as connection:
            connection.execute("DROP TABLE networks")
        assert f"does not say which network its raw samples are of; benchmark.py search --run {other}" in self.refused(
            before, other
        )

    def test_a_file_that_cannot_be_written(self, before: Path, tmp_path: Path) -> None:
        other = made_run(tmp_path / "other", LATENCIES, seed=2)
        (tmp_path / "file").touch()
        assert "out.csv cannot be written" in self.refused(before, other, "--csv", tmp_path / "file" / "out.csv")
