"""What commands go on with: copies of a whole run and of its store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def store(quick_run: Path, tmp_path: Path) -> Path:
    """A copy of the store of `quick_run`, which has most of what the tests would measure."""
    return Path(shutil.copy(quick_run.parent / "store.sqlite", tmp_path / "store.sqlite"))


@pytest.fixture
def copied(quick_run: Path, tmp_path: Path) -> Path:
    """A copy of `quick_run` to be written to."""
    run = tmp_path / "copied"
    shutil.copytree(quick_run, run)
    return run
