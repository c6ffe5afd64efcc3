"""The command line against a board behind a real SSH server: whole runs, and what a run meets on the way there."""

from __future__ import annotations

import functools
import json
import shutil
import signal
import sqlite3
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest

from devices import connect
from harness.report import read_csv
from tests.runs import TINY_ADAPTATION, Runner, start, write_profile
from tests.sshd import HOST, Board, wait_until

ONE_BUDGET = ("--measure", "--budgets", "1/64")


@pytest.fixture
def device(board: Board, tmp_path: Path) -> Path:
    """The profile of the board, measured briefly."""
    reached = f'transport = "ssh"\nhost = "{HOST}"\nssh_config = "{board.config}"'
    return write_profile(tmp_path, HOST, reached=reached, tables="[timeouts]\nline_s = 5\nreconnect_s = 5\n")


@pytest.fixture
def copied(quick_run: Path, tmp_path: Path) -> Path:
    """A copy of a run that was measured here: its bank is there, of the board nothing is known."""
    run = tmp_path / "copied"
    shutil.copytree(quick_run, run)
    return run


def finalists(store: Path) -> Counter[str]:
    """How many processes a store has of each finalist."""
    if not store.exists():
        return Counter()
    with sqlite3.connect(store) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'records'").fetchall():
            return Counter()
        return Counter(t for (t,) in connection.execute("SELECT topology FROM records WHERE kind = 'finalist'"))


def begin_search(run: Path, store: Path, device: Path) -> subprocess.Popen[str]:
    """Start the search on the board as a process of its own; return when the first finalist is measured."""
    process = start("search", "--run", run, "--store", store, "--device", device, *ONE_BUDGET)
    wait_until(lambda: bool(finalists(store)) or process.poll() is not None, 120)
    assert process.poll() is None, process.communicate()
    return process


def test_a_whole_run(runner: Runner, board: Board, device: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = runner("--run", run, "--store", tmp_path / "s.sqlite", "--device", device, "--json", *TINY_ADAPTATION)
    assert done.code == 0, done.err
    rows = read_csv(run / "tradeoff.csv")
    assert {row.device for row in rows} == {HOST}
    answers = [row for row in rows if row.selected == "yes"]
    assert sorted(label for row in answers for label in row.budgets) == ["1", "1/64", "1/8"]
    for row in answers:
        assert (row.within_budget, row.processes, row.cost_source) == ("yes", 6, "measured")
        assert row.agreement is not None
        assert row.agreement > 0.99
    assert len(list((run / "subnets").glob("*.onnx"))) == len(answers)
    assert json.loads((run / "run.json").read_text())["devices"][HOST]["device"] == HOST
    assert board.is_clean()


def test_a_line_cut_in_the_middle_costs_nothing(
    runner: Runner, copied: Path, board: Board, device: Path, tmp_path: Path
) -> None:
    store = tmp_path / "own.sqlite"
    connections: list[int] = []

    def cut() -> None:
        wait_until(lambda: bool(finalists(store)), 120)
        connections.append(board.logins())
        board.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    done = runner("search", "--run", copied, "--store", store, "--device", device, *ONE_BUDGET)
    cutter.join()
    assert done.code == 0, done.err
    assert board.logins() == connections[0] + 1
    assert set(finalists(store).values()) == {6}
    assert board.is_clean()


def test_a_workstation_killed_in_the_middle_leaves_a_clean_board_and_resumes(
    runner: Runner, copied: Path, board: Board, device: Path, tmp_path: Path
) -> None:
    store = tmp_path / "own.sqlite"
    process = begin_search(copied, store, device)
    process.kill()
    process.communicate()
    wait_until(board.is_clean)
    before = finalists(store)
    assert runner("search", "--run", copied, "--store", store, "--device", device, *ONE_BUDGET).code == 0
    after = finalists(store)
    assert all(after[topology] > count for topology, count in before.items())
    assert set(after.values()) == {6}
    assert board.is_clean()


def test_ctrl_c_leaves_a_clean_board(copied: Path, board: Board, device: Path, tmp_path: Path) -> None:
    process = begin_search(copied, tmp_path / "own.sqlite", device)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert board.is_clean()


def test_a_board_that_is_switched_off_is_noticed_before_training(
    runner: Runner, board: Board, device: Path, tmp_path: Path
) -> None:
    board.stop()
    done = runner("--run", tmp_path / "run", "--device", device)
    assert done.code == 3
    assert done.err.count("error:") == 1
    assert "board refuses connections: is its SSH server running" in done.sentence
    assert not (tmp_path / "run" / "bank").exists()


def test_a_board_that_another_run_measures_on_is_named_with_its_holder(
    runner: Runner, board: Board, device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.running.run.connect", functools.partial(connect, lock_wait_s=0.1))
    with connect(board.profile()):
        done = runner("--run", tmp_path / "run", "--device", device)
    assert done.code == 3
    assert "board is busy: " in done.sentence
    assert not (tmp_path / "run" / "bank").exists()
