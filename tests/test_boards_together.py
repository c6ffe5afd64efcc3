"""Several boards in one run, each behind a real SSH server: side by side, and none depends on another."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devices import connect
from harness.report import read_csv
from tests.runs import Runner, start, write_profile
from tests.sshd import HOST, Board, server_program, wait_until
from tests.test_boards import finalists

PROMPT_S = 20.0  # far below the 30 s that a run waits for a board's lock, and the minute that a search takes


@pytest.fixture
def boards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Board, Board]]:
    """Two boards, with a server, a home and a lock each."""
    server_program()
    left, right = (Board(tmp_path_factory.mktemp(name)) for name in ("left", "right"))
    try:
        left.start()
        right.start()
        yield left, right
    finally:
        left.stop()
        right.stop()


@pytest.fixture
def devices(boards: tuple[Board, Board], tmp_path: Path) -> str:
    """The value of --device that names both."""
    return ",".join(
        str(
            write_profile(
                tmp_path,
                name,
                reached=f'transport = "ssh"\nhost = "{HOST}"\nssh_config = "{board.config}"',
                tables="[timeouts]\nline_s = 5\nreconnect_s = 2\n",
            )
        )
        for name, board in zip(("left", "right"), boards, strict=True)
    )


@pytest.fixture
def search(quick_run: Path, tmp_path: Path, devices: str) -> tuple[object, ...]:
    """The arguments of a search on both, of a run whose bank is there."""
    shutil.copytree(quick_run, tmp_path / "run")
    place = ("--run", tmp_path / "run", "--store", tmp_path / "own.sqlite")
    return ("search", *place, "--device", devices, "--measure", "--budgets", "1/64")


def at_work(boards: tuple[Board, Board]) -> bool:
    """Whether an agent runs on each of the boards at this moment."""
    return all(board.agents() for board in boards)


def when(condition: Callable[[], bool], action: Callable[[], object]) -> threading.Thread:
    """Do `action` in another thread once `condition` holds."""

    def watch() -> None:
        wait_until(condition, 120)
        action()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def selected(run: Path) -> set[str]:
    return {row.device for row in read_csv(run / "tradeoff.csv") if row.selected == "yes"}


def test_both_are_measured_at_the_same_time_under_a_lock_each(
    runner: Runner, boards: tuple[Board, Board], search: tuple[object, ...], tmp_path: Path
) -> None:
    locks: list[str] = []
    watcher = when(lambda: at_work(boards), lambda: locks.extend((b.base / "lock").read_text() for b in boards))
    done = runner(*search)
    watcher.join()
    assert done.code == 0, done.err
    assert len(locks) == 2
    assert all("holder" in lock for lock in locks)
    assert selected(tmp_path / "run") == {"left", "right"}
    assert [board.is_clean() for board in boards] == [True, True]


def test_one_that_fails_in_the_middle_does_not_stop_the_other(
    runner: Runner, boards: tuple[Board, Board], search: tuple[object, ...], tmp_path: Path
) -> None:
    left, right = boards
    watcher = when(lambda: bool(finalists(tmp_path / "own.sqlite")) and at_work(boards), right.stop)
    done = runner(*search)
    watcher.join()
    assert done.code == 3
    assert done.err.count("error:") == 1
    assert "refuses connections" in done.sentence
    assert {row.device for row in read_csv(tmp_path / "run" / "tradeoff.csv")} == {"left"}
    assert selected(tmp_path / "run") == {"left"}
    assert left.is_clean()


class TestCtrlC:
    def assert_ends(self, process: subprocess.Popen[str]) -> None:
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert time.monotonic() - begun < PROMPT_S
        assert "Traceback" not in err
        assert err.count("error:") == 1
        assert "interrupted; go on with:" in err

    def begin(self, search: tuple[object, ...], condition: Callable[[], bool]) -> subprocess.Popen[str]:
        process = start(*search)
        wait_until(lambda: condition() or process.poll() is not None, 120)
        assert process.poll() is None, process.communicate()
        return process

    def test_ends_both_at_work(self, boards: tuple[Board, Board], search: tuple[object, ...]) -> None:
        self.assert_ends(self.begin(search, lambda: at_work(boards)))
        assert [board.is_clean() for board in boards] == [True, True]

    def test_ends_one_that_waits_for_a_board_which_another_run_holds(
        self, boards: tuple[Board, Board], search: tuple[object, ...]
    ) -> None:
        left, right = boards
        with connect(right.profile()):
            self.assert_ends(self.begin(search, lambda: bool(left.agents()) and right.logins() == 2))
        wait_until(lambda: left.is_clean() and right.is_clean())

    def test_ends_one_that_is_still_being_connected(
        self, boards: tuple[Board, Board], search: tuple[object, ...], tmp_path: Path
    ) -> None:
        left, right = boards
        reached = tmp_path / "reached"
        right.write_config(more=f"ProxyCommand sh -c 'touch {reached}; while read line; do :; done'\n")
        self.assert_ends(self.begin(search, lambda: bool(left.agents()) and reached.exists()))
        assert left.is_clean()
        assert right.logins() == 0
