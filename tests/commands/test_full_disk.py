"""A disk that fills up in any stage: one sentence, nothing finished is lost, and with more room the run goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.left_behind import LeftBehind, left_behind
from tests.disks import Disk, new_disk
from tests.runs import TINY_ADAPTATION, Result, assert_one_sentence

#: Room for run.json, and for far less than any stage makes.
SCARCE = 96 * 1024
PLENTY = 2**30

#: What each stage is the first to write.
MADE = {
    "adapt": ("bank",),
    "profile": ("costs",),
    "search": ("scores.sqlite", "measurements.sqlite", "tradeoff.csv", "subnets"),
    "report": ("tradeoff.png", "report.html"),
}


class Place:
    """A run and a store on a disk."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.run, self.store = disk.seen / "run", disk.seen / "store.sqlite"
        self.named = ("--run", disk.path / "run", "--store", disk.path / "store.sqlite")

    def left(self) -> LeftBehind:
        return left_behind(self.run, self.store)

    def resumed(self) -> Result:
        """With plenty of room."""
        self.disk.leave_free(PLENTY)
        return self.disk.run(*self.named, "--resume")


@pytest.fixture
def place(tmp_path: Path, own_cache: Path) -> Iterator[Place]:
    with new_disk(tmp_path / "disk") as disk:
        yield Place(disk)


def keep_what_is_before(stage: str, run: Path) -> None:
    """Make a whole run what it was before a stage."""
    stages = list(MADE)
    for path in (run / name for later in stages[stages.index(stage) :] for name in MADE[later]):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def assert_names_the_full_disk(done: Result, place: Place) -> None:
    assert f"{place.disk.path}" in done.sentence
    assert "No space left on device" in done.sentence or "disk is full" in done.sentence


def assert_told(done: Result, place: Place) -> None:
    assert done.code == 2, done.err
    assert_one_sentence(done)
    assert_names_the_full_disk(done, place)
    assert done.sentence.endswith(f"go on with: python benchmark.py {' '.join(map(str, place.named))} --resume")


@pytest.mark.parametrize("stage", [*MADE])
def test_in_any_stage_it_costs_nothing_that_was_finished(stage: str, quick_run: Path, place: Place) -> None:
    shutil.copytree(quick_run, place.run)
    keep_what_is_before(stage, place.run)
    if stage != "profile":  # which is to measure
        shutil.copy(quick_run.parent / "store.sqlite", place.store)
    before = place.left()
    place.disk.leave_free(SCARCE)
    done = place.disk.run(*(["--resume"] if stage == "adapt" else [stage]), *place.named)
    assert_told(done, place)
    found = place.left()
    assert before.lost(found) == []
    assert place.resumed().code == 0
    after = place.left()
    assert found.lost(after) == []
    if stage != "profile":
        undisturbed = left_behind(quick_run, quick_run.parent / "store.sqlite")
        assert after.unlike(undisturbed) == []


@pytest.mark.parametrize("free", [0, 8192])
def test_where_nothing_fits_a_run_does_not_begin(tiny: Path, place: Place, free: int) -> None:
    (place.disk.seen / "something").write_bytes(bytes(4096))  # of an empty tmpfs, size=0 means any size
    place.disk.leave_free(free)
    done = place.disk.run(*place.named, "--device", tiny, *TINY_ADAPTATION)
    assert done.code == 2
    assert_one_sentence(done)
    assert_names_the_full_disk(done, place)
    place.disk.leave_free(PLENTY)
    assert place.disk.run("adapt", *place.named, "--device", tiny, *TINY_ADAPTATION).code == 0
