"""Help that shows options under their headings, as plain text: in a pipe, and in a narrow terminal, too."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

from harness.commands.options import RUNNING


class Command(TyperCommand):
    """A command whose help has headings."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, and arguments among them."""
        _write_options(self.get_params(ctx), ctx, formatter)


class Commands(TyperGroup):
    """The commands, and the options of the pipeline beneath them, whose help has headings."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, which the many options would push out of sight, and then the options."""
        self.format_commands(ctx, formatter)
        _write_options(self.get_params(ctx), ctx, formatter)


def _write_options(parameters: list[Any], ctx: Any, formatter: Any) -> None:
    """Write what help says of parameters under the heading of each; those without one (`--help`) are of running."""
    headed: dict[str, list[tuple[str, str]]] = {}
    for parameter in parameters:
        if record := parameter.get_help_record(ctx):
            headed.setdefault(getattr(parameter, "rich_help_panel", None) or RUNNING, []).append(record)
    for heading, records in headed.items():
        with formatter.section(heading):
            formatter.write_dl(records)
