"""Stages on what a run left: nothing is measured twice, other budgets, other devices."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from harness.export import subnet_filename
from harness.report import read_csv
from tests.runs import Runner, selected, stored, write_profile

SILENT = "\n[timeouts]\nstart_s = 0.000001\nrun_s = 0.000001\n"


class TestStagesAndStore:
    def test_a_search_again_measures_nothing_again_and_finds_the_same(
        self, runner: Runner, quick_run: Path, copied: Path, store: Path
    ) -> None:
        before = set(stored(store))
        assert runner("search", "--run", copied, "--store", store).code == 0
        assert set(stored(store)) == before
        assert set(stored(copied / "measurements.sqlite")) == set(stored(quick_run / "measurements.sqlite"))
        assert [(row.arch_id, row.host_p50_ms, row.budget, row.upem) for row in read_csv(copied / "tradeoff.csv")] == [
            (row.arch_id, row.host_p50_ms, row.budget, row.upem) for row in read_csv(quick_run / "tradeoff.csv")
        ]

    def test_other_budgets_replace_rows_and_subnets(self, runner: Runner, copied: Path, store: Path) -> None:
        assert runner("search", "--run", copied, "--store", store, "--budgets", "1/64", "--measure").code == 0
        (row,) = selected(copied)
        assert row.budget == "1/64"
        file = Path(subnet_filename(row.arch_id, "fp32", 1))
        assert {path.name for path in (copied / "subnets").iterdir()} == {file.name, file.with_suffix(".md").name}

    @pytest.mark.parametrize("wrong", [("--device", "nosuch"), ("--budgets", "much"), ("--budgets", "")])
    def test_a_refused_stage_changes_nothing(self, runner: Runner, copied: Path, wrong: tuple[str, str]) -> None:
        before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
        assert runner("search", "--run", copied, *wrong).code == 2
        assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before

    def test_several_devices_share_one_bank_and_one_table(
        self, runner: Runner, copied: Path, store: Path, tmp_path: Path
    ) -> None:
        both = f"{write_profile(tmp_path, 'one')},{write_profile(tmp_path, 'two', threads=2)}"
        done = runner("search", "--run", copied, "--store", store, "--device", both, "--budgets", "1/64")
        assert done.code == 0, done.err
        rows = read_csv(copied / "tradeoff.csv")
        assert {(row.device, row.threads) for row in rows} == {("one", 1), ("two", 2)}
        assert {row.device for row in selected(copied)} == {"one", "two"}
        with sqlite3.connect(copied / "measurements.sqlite") as connection:
            assert set(connection.execute("SELECT DISTINCT threads FROM records")) == {(1,), (2,)}

    def test_one_lost_device_does_not_cost_the_others(
        self, runner: Runner, copied: Path, store: Path, tmp_path: Path, tiny: Path
    ) -> None:
        lost = write_profile(tmp_path, "lost", tables=SILENT)
        done = runner("search", "--run", copied, "--store", store, "--device", f"{lost},{tiny}", "--json")
        assert done.code == 3
        assert done.err.count("error:") == 1
        assert "did not answer" in done.sentence
        assert {row.device for row in selected(copied)} == {"tiny"}
        assert json.loads((copied / "run.json").read_text())["errors"] == json.loads(done.out)["errors"]
