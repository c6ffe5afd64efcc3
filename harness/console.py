"""What a run tells the person at the terminal: stages with time left, warnings, tables. Nothing else prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Advance = Callable[[int, int], None]


class Console:
    """Writes to standard error, so that standard output can carry `--json`; quiet keeps warnings and errors only."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._rich = RichConsole(stderr=True, highlight=False)
        self.errors: list[str] = []

    @property
    def width(self) -> int:
        """Characters in a line."""
        return self._rich.width

    @contextmanager
    def stage(self, title: str) -> Iterator[Advance]:
        """Show a bar with time left while the block runs; the block calls what it is given with (done, total)."""
        columns = (
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._rich, disable=self.quiet) as progress:
            task = progress.add_task(title, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
            if progress.tasks[0].total is None:
                progress.update(task, completed=1, total=1)

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
