"""Turns between the processes that run tests: one that compares times, marked `alone`, has the machine to itself."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait until no other process has a turn alone, or any turn where this one is to be alone; then hold one."""
    with Path(__file__).open() as queue, Path(__file__).with_name("conftest.py").open() as room:
        fcntl.flock(queue, fcntl.LOCK_EX)  # whoever waits to be alone lets nobody else begin
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(queue, fcntl.LOCK_UN)
        yield
