"""The rooms of the design and the doors between them."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources import OURS, ROOT, imports, module_name, product_files, tree

#: Single modules beside the rooms.
MODULES = (
    *("api", "clauses", "console", "databases", "deployment", "environment", "exit_codes", "files", "main", "memory"),
    *("pipeline", "preparing", "processes", "space"),
)
ROOMS = (
    *("ablation", "adaptation", "bank", "baselines", "choosing", "commands", "comparing", "costs", "data", "export"),
    *("measuring", "planning", "profiling", "readiness", "report", "results", "running", "search", "training"),
)
HARNESS = {f"harness.{name}" for name in (*ROOMS, *MODULES)}
EVERYTHING = {*HARNESS, "devices", "devices.agent"}


def ours(*names: str) -> set[str]:
    """Return rooms and modules of harness/, by their own names."""
    return {f"harness.{name}" for name in names}


#: What a run on a device rests on: how networks are made, exported, measured and found.
BASIS = ours("clauses", "console", "space", "files", "bank", "data", "export", "measuring", "costs", "search", "report")

#: Who may import whom, apart from itself; no two import each other. `pipeline`, `main` and `api` put all together.
ALLOWED: dict[str, set[str]] = {
    "harness": ours("api"),
    "harness.space": set(),
    "harness.processes": set(),
    "harness.clauses": set(),
    "harness.console": set(),
    "harness.environment": set(),
    "harness.memory": set(),
    "harness.data": ours("processes"),
    "harness.files": ours("clauses"),
    "harness.databases": ours("clauses", "files"),
    "harness.bank": ours("clauses", "space", "files"),
    "harness.adaptation": ours("clauses", "files", "memory", "bank", "data", "processes"),
    "harness.export": ours("clauses", "files", "memory", "bank"),
    "harness.measuring": ours("clauses", "files", "databases") | {"devices"},
    "harness.costs": ours("clauses", "space", "bank", "export", "measuring"),
    "harness.search": ours("space", "files", "databases", "processes", "bank", "data", "costs"),
    "harness.report": ours("clauses", "space", "files"),
    "harness.deployment": BASIS - ours("report") | {"devices"},
    "harness.running": BASIS - ours("costs") | ours("adaptation") | {"devices", "devices.agent"},
    "harness.results": BASIS | ours("deployment", "running") | {"devices"},
    "harness.profiling": BASIS | ours("deployment", "running", "results") | {"devices"},
    "harness.training": BASIS | ours("adaptation", "running", "profiling"),
    "harness.baselines": BASIS | ours("adaptation", "deployment", "running", "results", "training") | {"devices"},
    "harness.choosing": BASIS | ours("deployment", "running", "results", "profiling", "baselines") | {"devices"},
    "harness.planning": BASIS | ours("deployment", "running", "results", "profiling", "choosing") | {"devices"},
    "harness.readiness": BASIS | ours("environment", "exit_codes", "running") | {"devices"},
    "harness.ablation": BASIS - ours("export", "measuring")
    | ours("adaptation", "processes", "running", "results")
    | {"devices.agent"},
    "harness.exit_codes": BASIS | ours("ablation", "adaptation", "processes", "running") | {"devices"},
    "harness.preparing": BASIS | ours("adaptation", "planning", "running", "training") | {"devices"},
    "harness.pipeline": EVERYTHING - ours("api", "main", "preparing", "commands"),
    "harness.main": EVERYTHING - ours("api", "commands"),
    "harness.api": EVERYTHING - ours("commands"),
    "devices": {"devices.agent"},
    "devices.agent": set(),
    "harness.comparing": BASIS | ours("environment", "exit_codes", "running"),
    "harness.commands": ours("main", "readiness", "comparing"),
    "benchmark": ours("commands"),
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
    assert room("harness.pipeline") == "harness.pipeline"
    assert not {"harness.pipeline", "harness.data"} & {"harness.bank", *ALLOWED["harness.bank"]}


def test_every_room_of_the_design_is_there_and_no_other() -> None:
    def packages(folder: Path) -> set[str]:
        return {path.parent.name for path in folder.glob("*/*.py")}

    assert packages(ROOT / "harness") == set(ROOMS)
    assert {path.stem for path in (ROOT / "harness").glob("*.py")} == {"__init__", *MODULES}
    assert packages(ROOT / "devices") == {"agent", "transports"}
    assert packages(ROOT) == {"harness", "devices", "profiles", "tests", "benchmarks", "examples"}
    assert [path.name for path in ROOT.glob("*.py")] == ["benchmark.py"]
    for path in product_files():
        assert (path.parent / "__init__.py").is_file() or path.name == "benchmark.py", f"{path} is in no package"


def test_no_two_rooms_import_each_other() -> None:
    for here, allowed in ALLOWED.items():
        assert allowed <= ALLOWED.keys(), f"{here} may import what is no room"
    graphlib.TopologicalSorter({here: allowed - {here} for here, allowed in ALLOWED.items()}).prepare()


@pytest.mark.parametrize("room", [*ROOMS])
def test_every_room_says_what_it_is_for(room: str) -> None:
    assert ast.get_docstring(tree(ROOT / "harness" / room / "__init__.py"))


def test_tests_mirror_the_packages() -> None:
    mirrored = {path.parent.name for path in (ROOT / "tests").glob("*/*.py")}
    assert mirrored == {*ROOMS, "boards", "devices"}


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
    assert printing <= {
        "harness.main",
        "harness.comparing.commands",
        "harness.readiness.commands",
        "devices.agent.bootstrap",
    }


def test_help_comes_without_the_heavy_imports() -> None:
    command = [sys.executable, "-X", "importtime", str(ROOT / "benchmark.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "--latency-ms" in done.stdout
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"torch", "torchvision", "numpy", "onnx", "onnxruntime", "pymoo", "matplotlib", "scipy"}
