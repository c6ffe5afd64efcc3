"""Two runs at the same time: in one folder the second is told who has it; one store serves both."""

from __future__ import annotations

import re
from pathlib import Path

from harness.report import read_csv
from tests.runs import TINY_ADAPTATION, Runner, assert_one_sentence, start, stored, wait_for


def test_in_one_folder_the_second_is_told_who_has_it_and_the_first_goes_on(
    runner: Runner, tmp_path: Path, tiny: Path
) -> None:
    run, store = tmp_path / "run", tmp_path / "store.sqlite"
    first = start("adapt", "--run", run, "--store", store, "--device", tiny, *TINY_ADAPTATION)
    wait_for((run / "run.json").exists, first)
    for command in (("--run", run), ("adapt", "--run", run, "--resume"), ("report", "--run", run)):
        done = runner(*command, "--store", store)
        assert done.code == 2
        assert re.search(rf"\S+@\S+, process {first.pid} \(since 20\S+\) is working in the run folder", done.sentence)
        assert_one_sentence(done)
    _, errors = first.communicate(timeout=120)
    assert first.returncode == 0, errors


def test_one_store_serves_two_runs_at_once(tmp_path: Path, tiny: Path) -> None:
    store = tmp_path / "store.sqlite"
    runs = [tmp_path / "one", tmp_path / "other"]
    both = [start("--run", run, "--store", store, "--device", tiny, *TINY_ADAPTATION) for run in runs]
    for process in both:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    for run in runs:
        assert read_csv(run / "tradeoff.csv")
        assert set(stored(run / "measurements.sqlite")) <= set(stored(store))
