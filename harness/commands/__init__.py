"""The command line: its commands, a module each, and the options that they share.

Nothing heavy is imported before a command runs, so `--help` comes at once.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

from harness.commands.ablation import ablation
from harness.commands.compare import compare
from harness.commands.devices import devices
from harness.commands.helping import Command, Commands
from harness.commands.pipeline import ADAPT, pipeline
from harness.commands.pretrain import pretrain
from harness.commands.selfcheck import selfcheck
from harness.commands.stages import PROFILE, SEARCH, report, stage

app = typer.Typer(add_completion=False, no_args_is_help=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.callback(cls=Commands, invoke_without_command=True)(pipeline)


def _add(name: str, command: Callable[..., None], brief: str, *, full: str | None = None) -> None:
    """Add a command with what the list of commands says of it; its own help is `full`, or its docstring."""
    app.command(name, cls=Command, short_help=brief, help=full)(command)


# In the order that help names them.
_add("adapt", pipeline, "Stage 1: adapt a model bank.", full=ADAPT)
_add("profile", stage, "Stage 2: measure what its subnets cost on every device.", full=PROFILE)
_add("search", stage, "Stage 3: find subnets for budgets; answers what-ifs, too.", full=SEARCH)
_add("report", report, "Stage 4: write picture, page and accuracy.")
_add("compare", compare, "What got faster, slower or did not change between runs.")
_add("devices", devices, "Which devices answer, and what was found on them.")
_add("selfcheck", selfcheck, "Whether a device can give honest numbers now.")
_add("pretrain", pretrain, "A slimmable bank from labelled images alone.")
_add("ablation", ablation, "The experiments over methods, tasks and seeds.")

__all__ = ["app"]
