"""Folders that cannot be written to: read-only, somebody else's, or with a file where a folder should be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.disks import new_disk
from tests.runs import TINY_ADAPTATION, Result, Runner, assert_one_sentence
from tests.sources import ROOT


def assert_refused(done: Result, words: str) -> None:
    assert done.code == 2, done.err
    assert_one_sentence(done)
    assert words in done.sentence


def test_a_read_only_disk_is_told_and_what_only_reads_still_works(quick_run: Path, tiny: Path, tmp_path: Path) -> None:
    with new_disk(tmp_path / "disk") as disk:
        for name in ("run", "other"):
            shutil.copytree(quick_run, disk.seen / name)
        shutil.copy(quick_run.parent / "store.sqlite", disk.seen / "store.sqlite")
        disk.forbid_writing()
        run = disk.path / "run"
        for command in (("report", "--run", run), ("--run", run, "--resume")):
            assert_refused(disk.run(*command), f"cannot write to the run folder {run}: Read-only file system")
        new = disk.path / "new"
        done = disk.run("--run", new, "--device", tiny)
        assert_refused(done, f"cannot write to the run folder {new}: Read-only file system")
        elsewhere = ("adapt", "--run", tmp_path / "elsewhere", "--device", tiny, *TINY_ADAPTATION)
        done = disk.run(*elsewhere, "--store", disk.path / "store.sqlite")
        assert_refused(done, f"the store {disk.path / 'store.sqlite'} cannot be used: ")
        assert "from one store" in disk.run("compare", run, disk.path / "other").err  # it read both to the end


def test_a_run_folder_of_somebody_else_s(quick_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(quick_run, run)
    run.chmod(0o555)
    (run / ".lock").unlink()
    command = [sys.executable, str(ROOT / "benchmark.py"), "report", "--run", str(run)]
    if os.getuid() == 0:  # to root everything is allowed, but for what belongs to nobody whom its name space knows
        os.chown(run, 65534, 65534)
        command = ["unshare", "--map-root-user", *command]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    if "unshare:" in done.stderr:
        pytest.skip(f"nobody is refused anything here: {done.stderr.strip()}")
    assert_refused(
        Result(done.returncode, done.stdout, done.stderr), f"cannot write to the run folder {run}: Permission"
    )


@pytest.mark.parametrize("name", ["bank", "subnets", "costs", "tradeoff.csv", "measurements.sqlite", "scores.sqlite"])
def test_something_else_in_the_place_of_what_a_run_writes(runner: Runner, copied: Path, store: Path, name: str) -> None:
    path = copied / name
    if path.is_dir():
        shutil.rmtree(path)
        path.write_text("mine")
    else:
        path.unlink()
        path.mkdir()
        (path / "mine").touch()
    done = runner("--run", copied, "--store", store, "--resume")
    assert_refused(done, str(path))
    assert path.is_file() or (path / "mine").exists()
