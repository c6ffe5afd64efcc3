"""The oldest Python that code runs on: 3.8 on a device, 3.10 on the workstation, the standard library included."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import vermin

from tests.sources import ROOT, module_name, product_files

DEVICE, WORKSTATION = (3, 8), (3, 10)
AGENT = ROOT / "devices" / "agent"

#: vermin knows the type of little but literals, so methods of these are looked for by their name alone,
TYPES = ("str.", "bytes.", "int.", "pathlib.Path.", "pathlib.PurePath.")
#: unless others have long had one of that name.
AMBIGUOUS = {"copy", "is_integer", "parser"}


def floor_of(path: Path) -> tuple[int, int]:
    return DEVICE if AGENT in path.parents else WORKSTATION


def too_new(source: str, floor: tuple[int, int]) -> list[str]:
    """Return what is newer than `floor` in a module's source."""
    config = vermin.Config()
    config.set_verbose(3)
    visitor = vermin.visit(source, config)
    needed = visitor.minimum_versions()[1] or (3, 0)
    found = [visitor.output_text().strip()] if needed > floor else []
    return found + [f"L{line}: .{name}" for name, line in methods(source) if name in newer_methods(floor)]


def newer_methods(floor: tuple[int, int]) -> set[str]:
    required = vermin.MOD_MEM_REQS(vermin.Config())
    newer = [name for name, (_, since) in required.items() if since and since > floor and name.startswith(TYPES)]
    names = {name.rpartition(".")[2] for name in newer}
    return {name for name in names if not name.startswith("__")} - AMBIGUOUS


def methods(source: str) -> list[tuple[str, int]]:
    """Return the attributes that are looked up in something other than an imported module, with their lines."""
    tree = ast.parse(source)
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    return [
        (node.attr, node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id in imported)
    ]


@pytest.mark.parametrize("path", product_files(), ids=module_name)
def test_runs_on_the_oldest_python_of_its_place(path: Path) -> None:
    assert too_new(path.read_text(), floor_of(path)) == []


def test_the_agent_s_place_is_the_device_and_all_else_s_the_workstation() -> None:
    assert floor_of(AGENT / "engines" / "cache.py") == DEVICE
    assert floor_of(ROOT / "devices" / "device.py") == floor_of(ROOT / "benchmark.py") == WORKSTATION
    assert {floor_of(path) for path in product_files()} == {DEVICE, WORKSTATION}


@pytest.mark.parametrize(
    ("source", "newest"),
    [
        ("def f(text: str) -> str:\n    return text.removeprefix('a')", (3, 9)),
        ("def f(path):\n    return path.is_relative_to('/')", (3, 9)),
        ("import functools\n@functools.cache\ndef f(): ...", (3, 9)),
        ("import glob\nglob.glob('*', root_dir='/')", (3, 10)),
        ("zip('a', 'b', strict=True)", (3, 10)),
        ("def f(number):\n    match number:\n        case 1: ...", (3, 10)),
        ("import tomllib", (3, 11)),
        ("from datetime import UTC", (3, 11)),
        ("def f(path):\n    return path.walk()", (3, 12)),
        ("import itertools\nitertools.batched('abc', 2)", (3, 12)),
    ],
)
def test_what_is_newer_is_seen(source: str, newest: tuple[int, int]) -> None:
    assert too_new(source, (3, newest[1] - 1))
    assert not too_new(source, newest)
