import ast
from pathlib import Path

import pytest

AGENT = Path(__file__).parents[2] / "devices" / "agent"
SOURCES = sorted(AGENT.rglob("*.py"))
STANDARD = {
    *("abc", "argparse", "base64", "binascii", "contextlib", "ctypes", "datetime", "errno", "fcntl", "functools", "gc"),
    *("hashlib", "importlib", "json", "math", "mmap", "os", "pathlib", "platform", "re", "runpy", "select", "shutil"),
    *("signal", "struct", "subprocess", "sys", "tempfile", "threading", "time", "typing", "__future__"),
}
RUNTIMES = {"numpy", "onnxruntime", "tensorrt", "torch"}
#: Used where it is installed, by one module alone, which does without it otherwise.
OPTIONAL = {"telemetry/optional.py": {"psutil"}}


def imports(tree: ast.AST) -> list[tuple[int, str]]:
    """Return (level of relativity, module) of every import anywhere below `tree`."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or ""))
    return found


def runs_at_import(tree: ast.Module) -> ast.Module:
    """Return `tree` without function bodies and without blocks for type checkers."""

    class Strip(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            return None

        def visit_If(self, node: ast.If) -> ast.If | None:
            return None if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else node

    Strip().visit(tree)
    return tree


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(AGENT).as_posix())
class TestSource:
    def test_is_python_3_8(self, path: Path) -> None:
        tree = ast.parse(path.read_text(), feature_version=(3, 8))
        annotated = [n for n in ast.walk(tree) if isinstance(n, (ast.AnnAssign, ast.FunctionDef))]
        future = any(isinstance(n, ast.ImportFrom) and n.module == "__future__" for n in tree.body)
        assert future or not annotated, "annotations of today need `from __future__ import annotations` on 3.8"

    def test_imports_the_standard_library_its_own_package_and_the_runtime_alone(self, path: Path) -> None:
        depth = len(path.relative_to(AGENT).parts)
        for level, module in imports(ast.parse(path.read_text())):
            if level:
                assert level <= depth, f"{module} is outside the agent"
            else:
                optional = OPTIONAL.get(path.relative_to(AGENT).as_posix(), set())
                assert module.split(".")[0] in STANDARD | RUNTIMES | optional, module

    def test_a_runtime_is_imported_by_its_engine_alone_until_it_is_needed(self, path: Path) -> None:
        if path.name.endswith("_engine.py"):
            return
        eager = {module for level, module in imports(runs_at_import(ast.parse(path.read_text()))) if not level}
        assert not eager & (RUNTIMES | set().union(*OPTIONAL.values()))


def test_what_meets_any_python_and_any_login_shell_is_plain() -> None:
    text = (AGENT / "bootstrap.py").read_text()
    assert "'" not in text
    assert "\\" not in text
    ast.parse(text, feature_version=(3, 4))


def test_there_is_an_agent_to_look_at() -> None:
    assert len(SOURCES) >= 7
