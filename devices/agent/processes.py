"""What runs in a work folder, found in procfs: so that nothing needs to have been registered to be ended."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

_GONE_S = 5.0
_POLL_S = 0.02


def end(folder: str, group: int | None = None) -> None:
    """Kill what runs in `folder` (only process group `group`, where one is given) and wait for it to be gone.

    Does nothing where there is no procfs: an agent whose line is closed ends itself.
    """
    deadline = time.monotonic() + _GONE_S
    while True:
        found = [pid for pid in running_in(folder) if group is None or _group(pid) == group]
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:  # gone meanwhile, or not ours
                continue
        if not found or time.monotonic() > deadline:
            return
        time.sleep(_POLL_S)


def running_in(folder: str) -> list[int]:
    """Return the processes, but for this one, that work in `folder` or were given it or a file in it to work on."""
    try:
        numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return []
    return [pid for pid in numbers if pid != os.getpid() and any(_within(path, folder) for path in _paths(pid))]


def _paths(pid: int) -> list[str]:
    try:
        arguments = os.fsdecode(Path("/proc/%d/cmdline" % pid).read_bytes()).split("\0")
        return [*arguments, os.readlink("/proc/%d/cwd" % pid)]  # noqa: PTH115 (new in Python 3.9)
    except OSError:  # gone meanwhile, or another user's
        return []


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None
