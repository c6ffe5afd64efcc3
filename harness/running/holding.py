"""A run folder is one process's at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devices.agent.lock import Lock
from devices.transports.lock import user_at_machine
from harness.files import sweep

LOCK = ".lock"


class RunError(ValueError):
    """A run folder that cannot be used; the message says why in one sentence."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a run folder against other processes while the block runs; it is made where it is new.

    What killed processes had begun to write is gone then; so is, afterwards, a folder that nothing was written to.
    Raises RunError where another process has it, which is named, or where it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = Lock(str(folder / LOCK))
    except OSError as error:
        raise _refused(folder, error) from error
    try:
        _take(lock, folder)
        sweep(folder)
        try:
            yield
        finally:
            if set(folder.iterdir()) == {folder / LOCK}:
                (folder / LOCK).unlink()
                folder.rmdir()
    finally:
        lock.close()


def _take(lock: Lock, folder: Path) -> None:
    try:
        taken = lock.take(user_at_machine(), os.getpid())
    except OSError as error:
        raise _refused(folder, error) from error
    if not taken:
        raise RunError(f"{lock.holder()} is working in the run folder {folder}; wait for it, or choose another --run")


def _refused(folder: Path, error: OSError) -> RunError:
    reason = "a file is in its place" if isinstance(error, FileExistsError) else error.strerror
    return RunError(f"cannot write to the run folder {folder}: {reason}")
