"""What the board's own files show while its GPU is used: current while a network runs, memory while one is loaded."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

#: Says which files, where there are any; written by `tests.boards.jetson`.
CONFIG = Path(__file__).parent.parent / "meters"
_LASTS_S = 0.05  # after a run the current stays up for so long
_POLL_S = 0.01


class Meters:
    """The files of a board; nothing happens where none are named."""

    def __init__(self) -> None:
        self._config: dict[str, Any] = json.loads(CONFIG.read_text()) if CONFIG.exists() else {}
        self._held = 0
        self._last_run_s = float("-inf")
        self._watching = False

    def hold(self, size: int) -> None:
        """Show that so many bytes more (or less) are in use."""
        self._held += size
        if self._config:
            total, free = self._config["total_kb"], self._config["free_kb"] - self._held // 1024
            _replace(self._config["memory"], f"MemTotal: {total} kB\nMemAvailable: {free} kB\n")

    def ran(self) -> None:
        """Show that a network has run just now."""
        self._last_run_s = time.monotonic()
        if self._config and not self._watching:
            self._watching = True
            threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        shown = None
        while True:
            busy = time.monotonic() - self._last_run_s < _LASTS_S
            if busy != shown:
                shown = busy
                _replace(self._config["current"], str(self._config["busy_ma" if busy else "idle_ma"]))
            time.sleep(_POLL_S)


def _replace(path: str, text: str) -> None:
    partial = Path(path + ".new")
    partial.write_text(text)
    partial.replace(path)


METERS = Meters()
