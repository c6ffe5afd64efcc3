"""The command line: its commands, a module each, and the options that they share.

Nothing heavy is imported before a command runs, so `--help` comes at once.
"""

from __future__ import annotations

import typer

from harness.commands.ablation import ablation
from harness.commands.compare import compare
from harness.commands.devices import devices
from harness.commands.pipeline import pipeline
from harness.commands.pretrain import pretrain
from harness.commands.selfcheck import selfcheck
from harness.commands.stages import PROFILE, REPORT, SEARCH, stage

app = typer.Typer(add_completion=False, no_args_is_help=False, pretty_exceptions_enable=False, rich_markup_mode=None)

# In the order that help names them.
app.callback(invoke_without_command=True)(pipeline)
app.command("adapt")(pipeline)
app.command("report", help=REPORT)(stage)
app.command("search", help=SEARCH)(stage)
app.command("profile", help=PROFILE)(stage)
app.command("compare")(compare)
app.command("devices")(devices)
app.command("selfcheck")(selfcheck)
app.command("ablation")(ablation)
app.command("pretrain")(pretrain)

__all__ = ["app"]
