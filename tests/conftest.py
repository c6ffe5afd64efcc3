"""One real run of the whole pipeline, shared by every test that looks at what a run leaves."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

# Read when torch is loaded, by this process and by those that tests start: nets this small gain nothing from more.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.runs import TINY_ADAPTATION, Result, Runner, run_here, write_profile
from tests.sshd import Board, server_program
from tests.turns import turn


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let tests that compare times run beside no other."""
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture(scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's cache of the tests' own: neither the device's lock nor the store of real runs is touched."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A board behind a real SSH server."""
    server_program()
    board = Board(tmp_path_factory.mktemp("board"))
    try:
        board.start()
        yield board
    finally:
        board.stop()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The profile of this machine, measured briefly."""
    return write_profile(tmp_path_factory.mktemp("profiles"))


@pytest.fixture(scope="session")
def runner(own_cache: Path, tiny: Path) -> Runner:
    """Run `python benchmark.py` in this process; a run that names no device is on `tiny`."""

    def run(*arguments: object) -> Result:
        stage = bool(arguments) and arguments[0] in ("profile", "search", "report", "ablation", "devices")
        device = () if stage or "--device" in arguments or "--resume" in arguments else ("--device", tiny)
        return run_here(*arguments, *device)

    return run


@pytest.fixture(scope="session")
def quick_run(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole run; its store lies beside it as store.sqlite. Not to be written to."""
    folder = tmp_path_factory.mktemp("quick")
    done = runner("--run", folder / "run", "--store", folder / "store.sqlite", "--json", *TINY_ADAPTATION)
    assert done.code == 0, done.err
    (folder / "out.txt").write_text(done.out)
    (folder / "err.txt").write_text(done.err)
    return folder / "run"
