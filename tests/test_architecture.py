"""The rooms of the design and the doors between them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources import OURS, ROOT, imports, module_name, product_files, tree

MODULES = ("processes", "space")
HARNESS = ("ablation", "adaptation", "bank", "costs", "data", "export", "measuring", "report", "search", *MODULES)
EVERYTHING = {*(f"harness.{room}" for room in HARNESS), "harness", "devices", "devices.agent"}

#: Who may import whom, apart from itself. Modules directly in harness/ put everything together.
ALLOWED: dict[str, set[str]] = {
    "harness.ablation": EVERYTHING - {"harness.export", "harness.measuring", "devices"},
    "harness.space": set(),
    "harness.processes": set(),
    "harness.data": set(),
    "harness.bank": {"harness.space"},
    "harness.adaptation": {"harness.bank", "harness.data", "harness.processes"},
    "harness.export": {"harness.bank"},
    "harness.measuring": {"devices"},
    "harness.costs": {"harness.space", "harness.bank", "harness.export", "harness.measuring"},
    "harness.search": {"harness.space", "harness.processes", "harness.bank", "harness.data", "harness.costs"},
    "harness.report": {"harness.space"},
    "harness": EVERYTHING,
    "devices": {"devices.agent"},
    "devices.agent": set(),
    "benchmark": {"harness"},
    "profiles": set(),
}

SERIALISERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
FORBIDDEN_CALLS = {
    *("torch.load", "torch.save", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "np.load", "numpy.load"),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("eval", "exec", "compile", "__import__"),
}


def room(module: str) -> str | None:
    """Return which entry of `ALLOWED` a module belongs to; None for what is not ours."""
    top, _, rest = module.partition(".")
    if top not in OURS:
        return None
    below = f"{top}.{rest.partition('.')[0]}"
    return below if below in ALLOWED else top


def trespasses(path: Path) -> list[str]:
    here = room(module_name(path))
    assert here is not None
    wanted = {name: room(name) for name in imports(path)}
    return [name for name, there in wanted.items() if there is not None and there not in {here, *ALLOWED[here]}]


@pytest.mark.parametrize("path", product_files(), ids=module_name)
def test_imports_only_what_the_design_allows(path: Path) -> None:
    assert trespasses(path) == []


def test_the_rule_sees_imports_in_functions_in_type_checking_blocks_and_relative_ones(tmp_path: Path) -> None:
    path = ROOT / "harness" / "bank" / "layers.py"
    hidden = "def f():\n    from harness import pipeline\nif TYPE_CHECKING:\n    from ..data import Domains\n"
    assert set(imports(path, ast.parse(hidden))) == {"harness.pipeline", "harness.data.Domains"}
    assert room("harness.pipeline") == "harness"
    assert not {"harness", "harness.data"} & {"harness.bank", *ALLOWED["harness.bank"]}


def test_every_room_of_the_design_is_there_and_no_other() -> None:
    def packages(folder: Path) -> set[str]:
        return {path.parent.name for path in folder.glob("*/*.py")}

    assert packages(ROOT / "harness") == set(HARNESS) - set(MODULES)
    assert packages(ROOT / "devices") == {"agent", "transports"}
    assert packages(ROOT) == {"harness", "devices", "profiles", "tests", "benchmarks"}
    assert [path.name for path in ROOT.glob("*.py")] == ["benchmark.py"]
    for name in ("pipeline.py", "processes.py", "space.py"):
        assert (ROOT / "harness" / name).is_file()
    for path in product_files():
        assert (path.parent / "__init__.py").is_file() or path.name == "benchmark.py", f"{path} is in no package"


def test_tests_mirror_the_packages() -> None:
    mirrored = {path.parent.name for path in (ROOT / "tests").glob("*/*.py")}
    assert mirrored == set(HARNESS) - set(MODULES) | {"boards", "devices"}


def test_profiles_are_toml_files_and_nothing_else() -> None:
    found = {path.name for path in (ROOT / "profiles").iterdir() if path.name != "__pycache__"}
    assert {Path(name).suffix for name in found - {"__init__.py"}} == {".toml"}


@pytest.mark.parametrize("path", product_files(), ids=module_name)
def test_nothing_is_unpickled_evaluated_or_given_to_a_shell(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imports(path)} & SERIALISERS
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            allowed = ast.unparse(node.func) == "torch.load" and _loads_weights_only(node)
            assert allowed or ast.unparse(node.func) not in FORBIDDEN_CALLS, f"line {node.lineno}"
            assert not [k for k in node.keywords if k.arg == "shell"], f"line {node.lineno}"


def _loads_weights_only(call: ast.Call) -> bool:
    """Whether torch's unpickler is held to tensors: those of weights that others have published."""
    return any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in call.keywords)


def test_only_the_console_prints() -> None:
    """Progress, warnings and tables go through one place; `--json` is the single line on standard output.

    On a board, standard output is the line to the workstation.
    """
    printing = {
        module_name(path)
        for path in product_files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.stdout.write", "typer.echo")
    }
    assert printing <= {"harness.main", "harness.device_commands", "benchmark", "devices.agent.bootstrap"}


def test_help_comes_without_the_heavy_imports() -> None:
    command = [sys.executable, "-X", "importtime", str(ROOT / "benchmark.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "--latency-ms" in done.stdout
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"torch", "torchvision", "numpy", "onnx", "onnxruntime", "pymoo", "matplotlib", "scipy"}
