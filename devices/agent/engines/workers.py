"""The threads that share a network's layers: each on its own core, none running when another network's turn begins.

Left to the scheduler, a worker that wakes lands on the main thread's core as often as not, and the same network takes
19 or 33 microseconds by that alone. A worker also goes on spinning after its network's run, on a core that the next
network's worker needs.
"""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

_SIBLINGS = "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list"
_THREADS = Path("/proc/self/task")
_IDLE_LIMIT_S = 0.1
_POLL_S = 0.001


def cores_for(threads: int) -> list[int]:
    """Return a logical core for each thread: of different physical ones first, the last ones first.

    Empty where there are too few of them, or the system does not let a thread choose.
    """
    if not hasattr(os, "sched_getaffinity"):
        return []
    allowed = sorted(os.sched_getaffinity(0), reverse=True)
    taken: set[str] = set()
    first: list[int] = []
    siblings: list[int] = []
    for core in allowed:
        physical = _physical(core)
        (siblings if physical in taken else first).append(core)
        taken.add(physical)
    chosen = (first + siblings)[:threads]
    return chosen if len(chosen) == threads else []


def wait_until_idle() -> None:
    """Wait until no other thread of this process runs, 0.1 s at most: runtimes before 1.26 may spin for 25 ms."""
    deadline = time.monotonic() + _IDLE_LIMIT_S
    while _others_run() and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _physical(core: int) -> str:
    """Return what names the physical core of a logical one."""
    try:
        return Path(_SIBLINGS % core).read_text(encoding="ascii").strip()
    except OSError:
        return str(core)


def _others_run() -> bool:
    """Return whether a thread other than the caller is on a core, or waits for one."""
    own = str(threading.get_native_id())
    try:
        return any(_state(thread) == "R" for thread in _THREADS.iterdir() if thread.name != own)
    except OSError:
        return False


def _state(thread: Path) -> str | None:
    """Return the letter of a thread's state; None where it has ended."""
    try:
        text = (thread / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"\) ([A-Za-z])", text)
    return found.group(1) if found else None
