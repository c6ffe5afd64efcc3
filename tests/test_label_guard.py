"""Target labels reach nothing but the report: by reading the code, and by running it with wrong labels."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sklearn.datasets

from harness.data import Domains, TargetLabels, load_digits
from harness.report import Row, read_csv
from tests.runs import TINY_ADAPTATION, Runner
from tests.sources import ROOT, imports, module_name, product_files, tree

#: Of the ablation, a report of its own: what loads them, hands them on, and measures accuracy.
ABLATION = {f"harness.ablation.{module}" for module in ("tasks", "running", "measured")}
#: The modules outside harness.data that may know that target labels exist.
TRUSTED = {"harness.results.evaluation", "harness.running.inputs", "harness.preparing", "harness.pipeline", *ABLATION}
ACCURACIES = {"target_accuracy", "deployed_accuracy", "with_target_accuracy"}
LOADERS = {"load_digits", "load_inputs", "load_mnist_usps", "load_pair"}


class TestReadingTheCode:
    def test_no_package_but_data_knows_of_target_labels(self) -> None:
        knowing = {
            module_name(path)
            for path in product_files()
            if any(name.rpartition(".")[2] in {"TargetLabels", *LOADERS} for name in [*imports(path), *names(path)])
        }
        assert {name for name in knowing if not name.startswith("harness.data")} <= TRUSTED

    def test_accuracy_is_computed_by_the_report_alone(self) -> None:
        computing = {
            (module_name(path), function.name)
            for path in product_files()
            for function in functions(path)
            if any(call in ACCURACIES for call in calls(function))
        }
        assert {(module, name) for module, name in computing if module not in ABLATION} == {
            ("harness.pipeline", "report"),
            ("harness.results.evaluation", "with_target_accuracy"),
        }
        assert {module for module, _ in computing} & ABLATION <= {"harness.ablation.measured"}

    @pytest.mark.parametrize("module", ["main", "pipeline", "preparing"])
    def test_the_pipeline_hands_labels_to_the_report_and_to_no_other_stage(self, module: str) -> None:
        path = ROOT / "harness" / f"{module}.py"
        handed = {
            ast.unparse(node.func)
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call)
            and any(isinstance(x, ast.Name) and x.id == "target_labels" for x in [*node.args, *node.keywords])
        }
        assert handed <= {"run_stages", "report", *ACCURACIES}
        for function in functions(path):
            arguments = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
            assert "target_labels" not in arguments or function.name in ("report", "run_stages")

    def test_domains_have_no_room_for_target_labels(self) -> None:
        assert [field.name for field in dataclasses.fields(Domains)] == [
            *("name", "classes", "preprocessing", "source", "source_check", "target", "flip", "workers")
        ]
        assert Domains.__dataclass_fields__["target"].type == "Images"


class TestRunningWithWrongLabels:
    """The whole pipeline with every label of the handwritten digits wrong, from where they are first read."""

    @pytest.fixture(scope="class")
    def wrong(self, runner: Runner, quick_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A run like `quick_run`, and with its timings, but with wrong target labels."""
        original = sklearn.datasets.load_digits

        def mislabelled() -> Any:
            bunch = original()
            bunch.target = (bunch.target + 1) % 10
            return bunch

        run = tmp_path_factory.mktemp("wrong") / "run"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("harness.data.digits.sklearn_digits", mislabelled)
            assert runner("--run", run, "--store", quick_run.parent / "store.sqlite", *TINY_ADAPTATION).code == 0
        return run

    def test_the_labels_are_indeed_wrong(self, quick_run: Path, wrong: Path) -> None:
        ours, theirs = rows(quick_run), rows(wrong)
        full = next(row for row in ours if row.compute_fraction == 1)
        assert full.target_accuracy is not None
        assert full.target_accuracy > 0.3
        assert [row.target_accuracy for row in ours] != [row.target_accuracy for row in theirs]
        assert all(
            a.target_accuracy + b.target_accuracy <= 1
            for a, b in zip(ours, theirs, strict=True)
            if a.target_accuracy is not None and b.target_accuracy is not None
        )

    def test_the_bank_is_the_same_to_the_byte(self, quick_run: Path, wrong: Path) -> None:
        for name in ("weights.safetensors", "bank.json"):
            assert (quick_run / "bank" / name).read_bytes() == (wrong / "bank" / name).read_bytes()

    def test_candidates_scores_and_choices_are_the_same(self, quick_run: Path, wrong: Path) -> None:
        assert [without_accuracy(row) for row in rows(quick_run)] == [without_accuracy(row) for row in rows(wrong)]

    def test_the_exported_subnets_are_the_same_to_the_byte(self, quick_run: Path, wrong: Path) -> None:
        def subnets(run: Path) -> dict[str, bytes]:
            return {path.name: path.read_bytes() for path in (run / "subnets").glob("*.onnx")}

        assert subnets(quick_run) == subnets(wrong)


class Forbidden(TargetLabels):
    """Target labels that nobody may look at."""

    def __init__(self) -> None:
        """Hold nothing."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("images", "labels"):
            raise AssertionError(f"target labels were looked at: {name}")
        return super().__getattribute__(name)


class TestRunningWithForbiddenLabels:
    def test_all_stages_but_the_report_run_where_looking_at_labels_is_an_error(
        self, runner: Runner, quick_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("harness.running.inputs.load_digits", lambda seed: (load_digits(seed)[0], Forbidden()))
        store = quick_run.parent / "store.sqlite"
        run = tmp_path / "run"
        assert runner("adapt", "--run", run, "--store", store, *TINY_ADAPTATION).code == 0
        for stage in ("profile", "search"):
            assert runner(stage, "--run", run, "--store", store).code == 0
        assert all(row.target_accuracy is None for row in rows(run))

        looked = runner("report", "--run", run)
        assert looked.code == 1
        assert "target labels were looked at" in looked.err

        monkeypatch.undo()
        assert runner("report", "--run", run).code == 0
        assert rows(run) == rows(quick_run)


def rows(run: Path) -> list[Row]:
    return read_csv(run / "tradeoff.csv")


def without_accuracy(row: Row) -> Row:
    return dataclasses.replace(row, target_accuracy=None, accuracy_ci_low=None, accuracy_ci_high=None)


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef))


def calls(function: ast.FunctionDef) -> Iterator[str]:
    return (ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call))


def names(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
