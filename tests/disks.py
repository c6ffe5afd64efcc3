"""Disks of a test's own, as full as it wants or not to be written to: tmpfs in mount namespaces, which need no root."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.runs import Result
from tests.sources import ROOT

#: No disk is needed for longer.
_MOST_S = 600


class Disk:
    """A disk that is mounted at `path` for the processes that `run` starts, and for no others."""

    def __init__(self, path: Path, holder: int) -> None:
        self.path = path
        self._holder = holder

    @property
    def seen(self) -> Path:
        """The same folder as other processes can look into."""
        return Path(f"/proc/{self._holder}/root{self.path}")

    def run(self, *arguments: object) -> Result:
        """Run `python benchmark.py ARGUMENTS` where the disk is, and return how it ended."""
        done = self._inside(sys.executable, ROOT / "benchmark.py", *arguments)
        return Result(done.returncode, done.stdout, done.stderr)

    def leave_free(self, size: int) -> None:
        """Have so many bytes free from now on, whatever there is on the disk already."""
        found = os.statvfs(self.seen)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        self._remount(f"size={used + size}")

    def forbid_writing(self) -> None:
        """Make the disk one that can only be read."""
        self._remount("ro")

    def _remount(self, option: str) -> None:
        done = self._inside("mount", "-o", f"remount,{option}", self.path)
        assert done.returncode == 0, done.stderr

    def _inside(self, *command: object) -> subprocess.CompletedProcess[str]:
        enter = ("nsenter", "--preserve-credentials", "--user", "--mount", "--target", str(self._holder), "--")
        return subprocess.run(
            [*enter, *map(str, command)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "200"},
            timeout=_MOST_S,
            check=False,
        )


@contextmanager
def new_disk(path: Path) -> Iterator[Disk]:
    """Mount an empty disk at `path`, which is made; skips the test where the system does not let users mount."""
    path.mkdir()
    mounting = f'mount -t tmpfs -o size=1g none "$0" && echo mounted && exec sleep {_MOST_S}'
    with subprocess.Popen(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", mounting, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as holder:
        try:
            assert holder.stdout
            assert holder.stderr
            if holder.stdout.readline() != "mounted\n":
                pytest.skip(f"no disk can be mounted here: {holder.stderr.read().strip()}")
            yield Disk(path, holder.pid)
        finally:
            holder.kill()
