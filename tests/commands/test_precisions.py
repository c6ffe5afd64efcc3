"""`--precision` on the command line: one adaptation, and a search, files, rows and costs of every precision."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import onnx
import pytest

from harness.bank import load_bank
from harness.data import load_digits
from harness.export import engine_logits, subnet_filename
from harness.report import Row, accuracy, read_csv
from harness.results.evaluation import target_accuracy
from harness.space import decode
from tests.runs import TINY_ADAPTATION, Runner, write_profile


@pytest.fixture(scope="module")
def both(runner: Runner, quick_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run in two precisions, which finds the costs in float32 in the store."""
    folder = tmp_path_factory.mktemp("both")
    shutil.copy(quick_run.parent / "store.sqlite", folder / "store.sqlite")
    arguments = ("--run", folder / "run", "--store", folder / "store.sqlite", "--precision", "fp32,int8")
    done = runner(*arguments, *TINY_ADAPTATION)
    assert done.code == 0, done.err
    (folder / "err.txt").write_text(done.err)
    return folder / "run"


def rows(run: Path, precision: str | None = None) -> list[Row]:
    return [row for row in read_csv(run / "tradeoff.csv") if precision in (None, row.precision)]


def selected(run: Path, precision: str | None = None) -> list[Row]:
    return [row for row in rows(run, precision) if row.selected == "yes"]


class TestBothPrecisions:
    def test_every_budget_is_answered_in_each(self, both: Path) -> None:
        for precision in ("fp32", "int8"):
            assert sorted(label for row in selected(both, precision) for label in row.budgets) == ["1", "1/64", "1/8"]

    def test_files_are_named_by_precision_and_say_it_of_themselves(self, both: Path) -> None:
        names = {path.name for path in (both / "subnets").glob("*.onnx")}
        assert names == {subnet_filename(row.arch_id, row.precision, 1) for row in selected(both)}
        for row in selected(both):
            path = both / "subnets" / f"{row.arch_id}-{row.precision}-b1.onnx"
            assert path.stat().st_size == row.model_bytes
            model = onnx.load(path)
            assert {entry.key: entry.value for entry in model.metadata_props}["precision"] == row.precision
            assert any(node.op_type == "QuantizeLinear" for node in model.graph.node) == (row.precision == "int8")

    def test_rows_in_float32_are_those_of_a_run_without_int8(self, quick_run: Path, both: Path) -> None:
        assert [(row.arch_id, row.host_p50_ms, row.upem, row.budget, row.target_accuracy) for row in rows(both, "fp32")]
        known = {row.arch_id: row for row in rows(quick_run)}
        for row in rows(both, "fp32"):
            before = known[row.arch_id]
            assert (row.upem, row.budget, row.target_accuracy) == (before.upem, before.budget, before.target_accuracy)
            assert row.host_p50_ms == before.host_p50_ms

    def test_costs_in_int8_were_measured_in_int8(self, both: Path) -> None:
        with sqlite3.connect(both / "measurements.sqlite") as connection:
            found = dict(connection.execute("SELECT topology, precision FROM records WHERE kind = 'finalist'"))
        assert set(found.values()) == {"fp32", "int8"}
        assert all(row.processes == 6 for row in selected(both, "int8"))

    def test_upem_in_int8_is_of_what_is_deployed_and_empty_where_that_was_not_checked(self, both: Path) -> None:
        for row in rows(both, "int8"):
            assert (row.upem is None) == (row.agreement is None)
        in_float = {row.arch_id: row.upem for row in rows(both, "fp32")}
        for row in selected(both, "int8"):
            assert row.upem is not None
            assert row.upem != in_float.get(row.arch_id), "a search in int8 may find what none in float32 did"
            assert row.agreement is not None
            assert row.agreement >= 0.9
        assert any(row.upem is None for row in rows(both, "int8"))

    def test_accuracy_in_int8_is_that_of_the_file_and_empty_where_there_is_none(self, both: Path) -> None:
        domains, held_out = load_digits(0)
        bank, _ = load_bank(both / "bank")
        differs = False
        for row in rows(both, "int8"):
            assert (row.target_accuracy is None) == (row.selected == "no")
            if row.selected == "yes":
                logits = engine_logits(both / "subnets" / f"{row.arch_id}-int8-b1.onnx", held_out.images[:])
                found = accuracy(logits.argmax(axis=1), held_out.labels.numpy())
                assert (row.target_accuracy, row.accuracy_ci_low) == (found.value, found.low)
                in_float = target_accuracy(bank, decode(row.widths), domains.calibration, held_out)
                differs = differs or found != in_float
        assert differs, "the bank's own accuracy would do as well"

    def test_run_json_names_the_device_in_each(self, both: Path) -> None:
        record = json.loads((both / "run.json").read_text())
        assert set(record["devices"]) == set(record["cost_models"]) == {"tiny", "tiny int8"}
        assert {"search tiny", "search tiny int8"} <= set(record["seconds"])
        assert record["arguments"]["precisions"] == ["fp32", "int8"]

    def test_the_terminal_tells_the_stages_apart(self, both: Path) -> None:
        told = (both.parent / "err.txt").read_text()
        for stage in ("checking answers of", "measuring finalists on"):
            assert f"{stage} tiny int8" in told


class TestWhatIsNotOffered:
    @pytest.mark.parametrize("precision", ["int4", "fp32,int4", "", "fp32,"])
    def test_no_such_precision(self, runner: Runner, tmp_path: Path, precision: str) -> None:
        done = runner("--run", tmp_path / "run", "--precision", precision)
        assert done.code == 2
        assert done.sentence.startswith("--precision: ")
        assert all(name in done.sentence for name in ("fp32", "fp16", "int8"))
        assert not (tmp_path / "run" / "bank").exists()

    def test_none_of_those_asked_for(self, runner: Runner, tmp_path: Path) -> None:
        done = runner("--run", tmp_path / "run", "--precision", "fp16")
        assert done.code == 2
        assert done.sentence == "tiny offers fp32, int8, and --precision asks for fp16"
        assert not (tmp_path / "run" / "bank").exists()

    def test_a_stage_refuses_it_too_and_changes_nothing(self, runner: Runner, both: Path) -> None:
        before = {path: path.read_bytes() for path in both.rglob("*") if path.is_file()}
        for precision in ("int4", "fp16", ""):
            assert runner("search", "--run", both, "--precision", precision).code == 2
        assert {path: path.read_bytes() for path in both.rglob("*") if path.is_file()} == before

    def test_a_device_that_lacks_one_goes_without_it_and_the_others_do_not(
        self, runner: Runner, both: Path, tmp_path: Path
    ) -> None:
        run, store = tmp_path / "run", tmp_path / "store.sqlite"
        shutil.copytree(both, run)
        shutil.copy(both.parent / "store.sqlite", store)
        devices = f"{write_profile(tmp_path)},{write_profile(tmp_path, 'plain', precisions=('fp32',))}"
        arguments = ("--device", devices, "--precision", "fp32,int8,int8", "--budgets", "1/64")
        done = runner("search", "--run", run, "--store", store, *arguments)
        assert done.code == 0, done.err
        assert "plain goes without int8: it offers fp32" in done.err
        found = [(row.device, row.precision) for row in selected(run)]
        assert sorted(found) == [("plain", "fp32"), ("tiny", "fp32"), ("tiny", "int8")]
