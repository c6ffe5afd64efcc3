"""Limits and batch sizes on the command line: memory, model size and energy, alone and together; what cannot be met."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import onnxruntime
import pytest

from harness.report import Row, read_csv
from tests.boards.sysfs import make_fake_sysfs
from tests.runs import TINY_ADAPTATION, Result, Runner


class Search:
    """Searches a copy of a run whose bank is adapted, with a store that has most of what is measured."""

    def __init__(self, runner: Runner, run: Path, folder: Path) -> None:
        self._runner = runner
        self.run = Path(shutil.copytree(run, folder / "copied"))
        record = json.loads((self.run / "run.json").read_text())
        record["arguments"]["budgets"] = None  # which would hold together with what a test asks for
        (self.run / "run.json").write_text(json.dumps(record))
        self._store = shutil.copy(run.parent / "store.sqlite", folder / "store.sqlite")

    def __call__(self, *options: str, stage: str = "search") -> Result:
        measure = [] if stage != "search" or "--estimate" in options else ["--measure"]
        return self._runner(stage, "--run", self.run, "--store", self._store, *measure, *options)

    @property
    def selected(self) -> list[Row]:
        return [row for row in read_csv(self.run / "tradeoff.csv") if row.selected == "yes"]


@pytest.fixture
def search(runner: Runner, quick_run: Path, tmp_path: Path) -> Search:
    return Search(runner, quick_run, tmp_path)


class TestAnswers:
    def test_memory_is_kept_by_what_was_measured_of_the_finalist(self, search: Search) -> None:
        done = search("--memory-mb", "1000,4")
        assert done.code == 0, done.err
        answers = {label: row for row in search.selected for label in row.budgets}
        assert set(answers) == {"1000MB", "4MB"}
        assert answers["1000MB"].upem == 0
        assert all(row.within_budget == "yes" for row in answers.values())
        assert 0 < (answers["4MB"].peak_memory_mb or 0) <= 4
        model = json.loads((search.run / "run.json").read_text())["cost_models"]["tiny"]["memory"]
        assert 0 <= model["held_out"]["median"] <= model["held_out"]["p90"]
        assert sum(rate > 0 for rate in model["rates"].values()) > 0
        with sqlite3.connect(search.run / "measurements.sqlite") as connection:
            ((count,),) = connection.execute("SELECT count(*) FROM passes WHERE kind = 'memory'")
        assert count >= 8

    def test_model_size_is_that_of_the_file_in_each_precision(self, search: Search) -> None:
        done = search("--model-mb", "0.2", "--precision", "fp32,int8")
        assert done.code == 0, done.err
        rows = {row.precision: row for row in search.selected}
        assert set(rows) == {"fp32", "int8"}
        for row in rows.values():
            path = search.run / "subnets" / f"{row.arch_id}-{row.precision}-b1.onnx"
            assert row.model_bytes == path.stat().st_size <= 200_000
            assert (row.budget, row.within_budget) == ("0.2MB-model", "yes")
        assert rows["int8"].params > rows["fp32"].params, "a number takes a quarter of the bytes"

    def test_different_limits_hold_together(self, search: Search) -> None:
        done = search("--budgets", "1/2,1/8", "--latency-ms", "1000", "--memory-mb", "4", "--model-mb", "0.3")
        assert done.code == 0, done.err
        answers = {label: row for row in search.selected for label in row.budgets}
        assert set(answers) == {f"{share}+1000ms+4MB+0.3MB-model" for share in ("1/2", "1/8")}
        for label, row in answers.items():
            assert row.compute_fraction <= (0.5 if label.startswith("1/2") else 0.125)
            assert (row.model_bytes or 1e9) <= 300_000
            assert (row.peak_memory_mb or 1e9) <= 4
        assert "searching for tiny (2 searches)" in done.err


class TestBatchSizes:
    def test_are_alternatives_with_rows_and_files_of_their_own(self, search: Search) -> None:
        done = search("--batch-size", "1,3", "--budgets", "1/64,1/8")
        assert done.code == 0, done.err
        assert search.run.joinpath("run.json").exists()
        for size in (1, 3):
            own = [row for row in search.selected if row.batch_size == size]
            assert sorted(label for row in own for label in row.budgets) == ["1/64", "1/8"]
            for row in own:
                assert row.throughput_ips == pytest.approx(1000 * size / (row.host_p50_ms or 1))
                session = onnxruntime.InferenceSession(str(search.run / "subnets" / f"{row.arch_id}-fp32-b{size}.onnx"))
                assert session.get_inputs()[0].shape[0] == size
        record = json.loads((search.run / "run.json").read_text())
        assert {"tiny", "tiny batch 3"} <= set(record["cost_models"])
        assert record["arguments"]["batch_size"] == [1, 3]
        assert "checking answers of tiny batch 3" in done.err
        again = search(stage="report")
        assert again.code == 0
        assert "1/64: lowest UPEM within it is" in again.err

    @pytest.mark.parametrize("text", ["0", "", "1,", "1,-2", "x", "1.5"])
    def test_that_are_none_are_refused(self, search: Search, text: str) -> None:
        before = (search.run / "run.json").read_bytes()
        done = search("--batch-size", text)
        assert done.code == 2
        assert done.sentence.startswith("--batch-size: ")
        assert (search.run / "run.json").read_bytes() == before

    def test_of_a_run_from_before_there_were_several_are_read(self, search: Search) -> None:
        record = json.loads((search.run / "run.json").read_text())
        record["arguments"]["batch_size"] = 1
        (search.run / "run.json").write_text(json.dumps(record))
        assert search(stage="report").code == 0


class TestWhatCannotBeMet:
    """Noticed before training, with the nearest value that can be met."""

    @pytest.mark.parametrize(
        ("limit", "words"),
        [
            (("--memory-mb", "0.0001"), "budget 0.0001MB cannot be met: the smallest subnet measured needs 0."),
            (("--model-mb", "0.001"), "budget 0.001MB-model cannot be met: the smallest subnet's file needs 0.02"),
            (("--model-mb", "0.001", "--energy-mj", "1"), "budget 0.001MB-model+1mJ cannot be met: the smallest"),
        ],
    )
    def test_is_named(self, runner: Runner, tmp_path: Path, limit: tuple[str, ...], words: str) -> None:
        done = runner("--run", tmp_path / "run", "--store", tmp_path / "store.sqlite", *limit)
        assert done.code == 4
        assert done.sentence.startswith(words)
        assert not (tmp_path / "run" / "bank").exists()

    def test_the_nearest_value_can_be_met(self, runner: Runner, search: Search, tmp_path: Path) -> None:
        nearest = search("--model-mb", "0.001").sentence.rpartition("needs ")[2].removesuffix("MB-model")
        done = search("--model-mb", nearest)
        assert done.code == 0, done.err

    def test_energy_where_there_is_no_sensor_is_a_measurement_that_cannot_be_made(
        self, runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SLIMDA_AGENT_ROOT", str(make_fake_sysfs(tmp_path / "pi", "raspberrypi5").root))
        done = runner("--run", tmp_path / "run", "--store", tmp_path / "store.sqlite", "--energy-mj", "5,1")
        assert done.code == 5
        assert done.sentence.startswith(
            "--energy-mj cannot be answered on tiny, where energy cannot be measured: no se"
        )
        assert done.err.count("error:") == 1
        assert not (tmp_path / "run" / "bank").exists()


class TestUsage:
    @pytest.mark.parametrize("option", ["--memory-mb", "--model-mb", "--energy-mj"])
    @pytest.mark.parametrize("text", ["much", "", "0", "5,,6", "nan", "1/2"])
    def test_wrong_limits_are_refused(self, runner: Runner, tmp_path: Path, option: str, text: str) -> None:
        done = runner("--run", tmp_path / "run", option, text)
        assert done.code == 2
        assert done.sentence.startswith(f"{option}: ")
        assert not (tmp_path / "run").exists()

    def test_too_many_combinations_are_refused(self, runner: Runner, tmp_path: Path) -> None:
        done = runner("--run", tmp_path / "run", "--memory-mb", "1,2,3,4,5,6,7,8", "--latency-ms", "1,2,3,4,5,6,7,8,9")
        assert done.code == 2
        assert "72 budgets in all are too many" in done.sentence

    @pytest.mark.parametrize("option", ["--memory-mb", "--energy-mj"])
    def test_what_nothing_is_published_of_cannot_be_estimated(
        self, runner: Runner, tmp_path: Path, option: str
    ) -> None:
        done = runner("--run", tmp_path / "run", "--device", "raspberrypi5", "--estimate", option, "5")
        assert done.code == 2
        assert done.sentence == f"{option} cannot be estimated, only measured: leave out either that or --estimate"
        assert not (tmp_path / "run").exists()

    def test_model_size_is_as_sure_by_estimate(self, search: Search) -> None:
        done = search("--device", "raspberrypi5", "--estimate", "--model-mb", "0.2", "--batch-size", "1,2")
        assert done.code == 0, done.err
        assert [(row.batch_size, row.within_budget) for row in search.selected] == [(1, "yes"), (2, "yes")]
        assert all((row.model_bytes or 1e9) <= 200_000 for row in search.selected)
        assert search("--estimate", "--model-mb", "0.001").code == 4


def test_help_names_every_limit(runner: Runner) -> None:
    told = runner("--help").out
    assert all(option in told for option in ("--memory-mb", "--model-mb", "--energy-mj", "--batch-size"))


def test_a_whole_run_with_a_limit_on_memory(runner: Runner, quick_run: Path, tmp_path: Path) -> None:
    store = shutil.copy(quick_run.parent / "store.sqlite", tmp_path / "store.sqlite")
    done = runner("--run", tmp_path / "run", "--store", store, *TINY_ADAPTATION[:-2], "--memory-mb", "5", "--json")
    assert done.code == 0, done.err
    (answer,) = json.loads(done.out)["selected"]
    assert (answer["budget"], answer["within_budget"]) == ("5MB", "yes")
    assert 0 < answer["peak_memory_mb"] <= 5
