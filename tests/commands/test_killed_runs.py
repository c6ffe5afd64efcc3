"""Runs killed with all their processes and resumed: nothing finished is lost, and they end as undisturbed ones do.

`benchmarks/killed_runs.py` does the same at random moments.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.killed_runs import kill_all
from benchmarks.left_behind import LeftBehind, left_behind
from tests.runs import TINY_ADAPTATION, Runner, start, wait_for

#: Fresh processes of every finalist, in the profile that is measured briefly.
PROCESSES = 6


def count(path: Path, table: str) -> int:
    """Return how many rows there are by now."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) if path.exists() else 0


def killed(run: Path, store: Path, tiny: Path, stage: str) -> LeftBehind:
    """Start a run, kill it and all its processes in the middle of a stage, and return what it has left."""

    def reached() -> bool:
        try:
            if stage == "profile":
                return count(store, "records") > 20
            return count(run / "scores.sqlite", "scores") > 10 if stage == "search" else (run / "tradeoff.csv").exists()
        except sqlite3.OperationalError:  # it is just being made
            return False

    process = start("--run", run, "--store", store, "--device", tiny, *TINY_ADAPTATION)
    wait_for(reached, process)
    kill_all(process)
    return left_behind(run, store)


@pytest.mark.parametrize("stage", ["search", "report"])
def test_one_that_finds_its_measurements_ends_in_the_rows_of_the_one_that_made_them(
    runner: Runner, quick_run: Path, tmp_path: Path, tiny: Path, store: Path, stage: str
) -> None:
    run = tmp_path / "run"
    before = killed(run, store, tiny, stage)
    assert f"{stage} tiny" not in before.stages
    assert "report.html" not in before.names
    assert runner("--run", run, "--store", store, "--resume").code == 0
    after = left_behind(run, store)
    assert before.lost(after) == []
    assert after.unlike(left_behind(quick_run, quick_run.parent / "store.sqlite")) == []


def test_one_that_measures_ends_as_an_undisturbed_one_does_that_finds_its_measurements(
    runner: Runner, tmp_path: Path, tiny: Path
) -> None:
    run, store, other = tmp_path / "run", tmp_path / "store.sqlite", tmp_path / "other"
    before = killed(run, store, tiny, "profile")
    assert before.measured
    assert "profile tiny" not in before.stages
    assert runner("--run", run, "--store", store, "--resume").code == 0
    after = left_behind(run, store)
    assert before.lost(after) == []
    assert after.measured_twice(PROCESSES) == []
    other.mkdir()
    copy = Path(shutil.copy(store, other / "store.sqlite"))
    assert runner("--run", other / "run", "--store", copy, *TINY_ADAPTATION).code == 0
    assert after.unlike(left_behind(other / "run", copy)) == []
