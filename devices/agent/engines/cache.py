"""Engines that were built on this device, kept on disk until the network, the runtime or the device changes.

An entry's file name says what it was built from (its key) and what it holds (the start of its SHA-256), so that a
damaged file is known before a runtime is given it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Callable, Mapping

from .contract import EngineError

LIMIT_BYTES = 4 * 2**30
_DIGEST = 16  # hexadecimal digits of a file's content in its name


class EngineCache:
    """A folder of built engines, at most `limit_bytes` large: what was unused longest goes first."""

    def __init__(self, folder: Path, system: Callable[[], Mapping[str, str]], limit_bytes: int = LIMIT_BYTES) -> None:
        """Keep engines in `folder`, which is made when something is kept; `system` tells what all of them depend on."""
        self.folder = folder
        self._system = system
        self._found: Mapping[str, str] | None = None
        self._limit_bytes = limit_bytes

    def key(self, **parts: Any) -> str:
        """Return the key of what is built from `parts` on this system."""
        if self._found is None:
            self._found = dict(self._system())
        text = json.dumps([sorted(self._found.items()), parts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:40]

    def find(self, key: str) -> Path | None:
        """Return the file kept for `key`, unless there is none or it is damaged (then it is removed)."""
        for path in self.folder.glob(key + "-*.plan"):
            try:
                if path.stem == "%s-%s" % (key, digest(path)[:_DIGEST]):
                    os.utime(path)
                    return path
                path.unlink()
            except OSError:
                continue
        return None

    def keep(self, key: str, write: Callable[[Path], None]) -> Path:
        """Keep the file that `write` makes at the path it is given, whole or not at all; return where it lies.

        Raises `EngineError` where it cannot be kept, and what `write` raises.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for leftover in self.folder.glob("building-*"):  # of an agent that was killed: a device has one at a time
                shutil.rmtree(str(leftover), ignore_errors=True)
            scratch = Path(tempfile.mkdtemp(prefix="building-", dir=str(self.folder)))
            try:
                made = scratch / "made"
                write(made)
                kept = self.folder / ("%s-%s.plan" % (key, digest(made)[:_DIGEST]))
                for former in self.folder.glob(key + "-*.plan"):
                    former.unlink()
                made.replace(kept)
            finally:
                shutil.rmtree(str(scratch), ignore_errors=True)
            self._prune(kept)
        except OSError as error:
            raise EngineError("the engine cannot be kept in %s: %s" % (self.folder, error.strerror)) from error
        return kept

    def timings(self, key: str) -> Path:
        """Return the file for what a builder has timed, shared by the networks whose builds have this `key`."""
        return self.folder / (key + ".timing")

    def subfolder(self, key: str) -> Path:
        """Return a folder for runtimes that keep their engines themselves; raises `EngineError`."""
        folder = self.folder / key
        try:
            folder.mkdir(parents=True, exist_ok=True)
            os.utime(folder)
            self._prune(folder)
        except OSError as error:
            raise EngineError("the engine cannot be kept in %s: %s" % (self.folder, error.strerror)) from error
        return folder

    def _prune(self, newest: Path) -> None:
        """Remove what was unused longest, but for `newest`, until the folder keeps its limit."""
        entries = sorted(
            (path for path in self.folder.iterdir() if path != newest), key=lambda path: path.stat().st_mtime
        )
        left = _size(newest) + sum(map(_size, entries))
        for path in entries:
            if left <= self._limit_bytes:
                return
            left -= _size(path)
            if path.is_dir():
                shutil.rmtree(str(path), ignore_errors=True)
            else:
                path.unlink()


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal digits."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(2**20), b""):
            found.update(piece)
    return found.hexdigest()


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to a file, whole or not at all."""
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(content)
    partial.replace(path)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
