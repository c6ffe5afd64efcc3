"""What a run tells the person at the terminal: stages with time left, warnings, tables. Nothing else prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock
from time import monotonic

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Advance = Callable[[int, int], None]
#: Between the lines that say in a log how far a stage is.
PULSE_S = 30.0


class Stopped(Exception):
    """A stage was told to end before it was done."""


class Console:
    """Writes to standard error, so that standard output can carry `--json`; quiet keeps warnings and errors only."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._rich = RichConsole(stderr=True, highlight=False)
        self.errors: list[str] = []
        self._lock = Lock()
        self._progress: Progress | None = None
        self._stages = 0
        self._stopped = Event()

    @property
    def width(self) -> int:
        """Characters in a line."""
        return self._rich.width

    @contextmanager
    def stage(self, title: str) -> Iterator[Advance]:
        """Show a bar with time left while the block runs; the block calls what it is given with (done, total).

        Stages of several threads are shown together. What it is given raises `Stopped` after `stop`.
        """
        progress = self._enter()
        task = progress.add_task(title, total=None, note="")
        pulse = _Pulse(title)

        def advance(done: int, total: int) -> None:
            if self._stopped.is_set():
                raise Stopped
            progress.update(task, completed=done, total=total)
            if not self._rich.is_terminal and (line := pulse.line(done, total)):
                self.say(line)

        try:
            yield advance
            if next(known for known in progress.tasks if known.id == task).total is None:
                progress.update(task, completed=1, total=1)
        finally:
            progress.stop_task(task)
            self._leave(progress)

    def stop(self) -> None:
        """Have the stages of all threads end when they next say how far they are."""
        self._stopped.set()

    def note(self, words: str) -> None:
        """Show a few words beside the newest bar."""
        if self._progress is not None:
            self._progress.update(self._progress.tasks[-1].id, note=words)

    def say(self, message: RenderableType) -> None:
        """Print something that is not a warning."""
        if not self.quiet:
            self._rich.print(message, markup=False, soft_wrap=isinstance(message, str))

    def warn(self, message: str) -> None:
        """Print a warning: one sentence."""
        self._rich.print("warning:", message, style="yellow", markup=False, soft_wrap=True)

    def error(self, message: str) -> None:
        """Print an error, one sentence, and keep it for run.json."""
        self.errors.append(message)
        self._rich.print("error:", message, style="bold red", markup=False, soft_wrap=True)

    def _enter(self) -> Progress:
        """Return the one display that a terminal can have, started by the first of the stages that share it."""
        with self._lock:
            self._stages += 1
            if self._progress is None:
                self._progress = Progress(
                    TextColumn("{task.description:<34}"),
                    BarColumn(bar_width=28),
                    MofNCompleteColumn(),
                    TimeElapsedColumn(),
                    TextColumn("left"),
                    TimeRemainingColumn(),
                    TextColumn("{task.fields[note]}"),
                    console=self._rich,
                    disable=self.quiet,
                )
                self._progress.start()
            return self._progress

    def _leave(self, progress: Progress) -> None:
        with self._lock:
            self._stages -= 1
            if not self._stages:
                progress.stop()
                self._progress = None


class _Pulse:
    """Signs of life where no bar can move: a line every half minute, of a stage that takes longer."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._begun = self._last = monotonic()

    def line(self, done: int, total: int) -> str:
        """Return how far the stage is, and how long it still takes at the same pace; nothing where it is too early."""
        now = monotonic()
        if done == total or now - self._last < PULSE_S:
            return ""
        self._last = now
        left = f", about {(now - self._begun) * (total - done) / done / 60:.1f} min left" if done else ""
        return f"{self._title}: {done} of {total}{left}"
