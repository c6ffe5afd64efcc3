"""Options are stated once, and commands take them in groups: all of one, or some by name."""

from __future__ import annotations

import inspect
from typing import Annotated, get_args

import pytest
import typer
from typer.testing import CliRunner

from harness.commands import app
from harness.commands.options import only, takes


class Colours:
    red: Annotated[int, typer.Option("--red", min=0)] = 1
    blue: Annotated[str | None, typer.Option("--blue/-b")] = None


class Name:
    name: Annotated[str, typer.Option("--name")]


def taken(*arguments: str) -> tuple[int, dict[str, object]]:
    """Return how a command with options in two groups ended, and what it found in its context."""
    found: dict[str, object] = {}
    own = typer.Typer()

    @own.command()
    @takes(Name, Colours)
    def command(context: typer.Context) -> None:
        found.update(context.params)

    return CliRunner().invoke(own, list(arguments)).exit_code, found


def test_a_command_finds_what_it_was_given_and_defaults_in_its_context() -> None:
    assert taken("--name", "x", "--red", "3") == (0, {"name": "x", "red": 3, "blue": None})


@pytest.mark.parametrize("arguments", [(), ("--name", "x", "--red", "-1"), ("--name", "x", "--green", "1")])
def test_options_are_held_to_what_their_group_says(arguments: tuple[str, ...]) -> None:
    assert taken(*arguments) == (2, {})


def test_some_of_a_group_are_taken_in_the_order_named() -> None:
    assert [option.name for option in only(Colours, "blue", "red")] == ["blue", "red"]
    assert only(Name, "name")[0].default is only(Name, "name")[0].empty
    with pytest.raises(KeyError):
        only(Colours, "green")


def test_an_option_of_one_name_means_one_thing_wherever_it_is_shared() -> None:
    """Those that a command words for itself are named here."""
    own = {"device", "run", "estimate", "quick", "data_root", "iterations", "methods"}
    stated: dict[str, set[str]] = {}
    for command in app.registered_commands:
        assert command.callback
        for option in list(inspect.signature(command.callback).parameters.values())[1:]:
            kind, info = get_args(option.annotation)
            stated.setdefault(option.name, set()).add(f"{kind} {vars(info)} {option.default}")
    assert "latency_ms" in stated
    assert {name for name, ways in stated.items() if len(ways) > 1} <= own
