"""How a command takes options: by group, each a class that states them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import get_type_hints

import typer

Command = Callable[[typer.Context], None]


def takes(*groups: type | Iterable[inspect.Parameter]) -> Callable[[Command], Callable[..., None]]:
    """Give a command the options of groups, in this order; it finds their values in its context.

    A group is a class of `name: Annotated[TYPE, typer.Option(...)] = DEFAULT`, or what `only` took of one.
    """
    options = [one for group in groups for one in (_options(group) if isinstance(group, type) else group)]

    def with_options(work: Command) -> Callable[..., None]:
        @functools.wraps(work)
        def command(context: typer.Context, **_: object) -> None:
            work(context)

        first = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        # Typer reads a command's options from its signature.
        command.__signature__ = inspect.Signature([first, *options])  # type: ignore[attr-defined]
        return command

    return with_options


def only(group: type, *names: str) -> list[inspect.Parameter]:
    """Return some of a group's options, in the order named."""
    known = {option.name: option for option in _options(group)}
    return [known[name] for name in names]


def _options(group: type) -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=getattr(group, name, inspect.Parameter.empty),
            annotation=annotation,
        )
        for name, annotation in get_type_hints(group, include_extras=True).items()
    ]
