"""The project's own source files as syntax trees, for the tests that hold rules over all of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OURS = ("benchmark", "harness", "devices", "profiles", "benchmarks", "tests")


def product_files() -> list[Path]:
    """Every Python file that is shipped."""
    return [ROOT / "benchmark.py", *sorted(p for top in ("harness", "devices", "profiles") for p in _below(top))]


def module_name(path: Path) -> str:
    """harness/bank/__init__.py is harness.bank."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path, root: ast.AST | None = None) -> Iterator[str]:
    """Absolute names of everything that is imported below `root`, wherever it stands; `from a import b` gives a.b."""
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    for node in ast.walk(root or tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _below(top: str) -> Iterator[Path]:
    return (ROOT / top).rglob("*.py")
