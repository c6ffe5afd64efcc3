"""The command line as a user meets it: real runs, what they leave, and how they fail (DESIGN sections 4 and 5)."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import math
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from devices import DeviceError, connect
from harness.bank import StandaloneBank, load_bank
from harness.data import Preprocessing, load_digits
from harness.export import subnet_filename
from harness.report import Row, read_csv
from harness.report.cost_words import off
from harness.space import decode, encode
from tests.runs import TINY_ADAPTATION, Result, Runner, start, write_profile

COLUMNS = """
device, engine, engine_version, power_mode, threads, precision, batch_size, arch_id, widths, compute_fraction, macs,
flops, params, model_bytes, host_p50_ms, host_ci_low_ms, host_ci_high_ms, host_p90_ms, host_p99_ms, sustained_p50_ms,
compute_p50_ms, first_ms, samples, rounds, processes, throughput_ips, peak_memory_mb, energy_mj, predicted_ms,
cost_source, upem, agreement, target_accuracy, accuracy_ci_low, accuracy_ci_high, budget, chosen_by, within_budget,
on_front, selected, status, reason
"""

SILENT = "\n[timeouts]\nstart_s = 0.000001\nrun_s = 0.000001\n"


@pytest.fixture
def store(quick_run: Path, tmp_path: Path) -> Path:
    """A copy of the store of `quick_run`, which has most of what the tests would measure."""
    return Path(shutil.copy(quick_run.parent / "store.sqlite", tmp_path / "store.sqlite"))


@pytest.fixture
def copied(quick_run: Path, tmp_path: Path) -> Path:
    """A copy of `quick_run` to be written to."""
    run = tmp_path / "copied"
    shutil.copytree(quick_run, run)
    return run


def selected(run: Path) -> list[Row]:
    return [row for row in read_csv(run / "tradeoff.csv") if row.selected == "yes"]


def stored(path: Path) -> dict[str, tuple[str, str, list[int]]]:
    """Kind, topology and all samples in nanoseconds of every record in a store; nothing where it is just being made."""
    with sqlite3.connect(path) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'records'").fetchall():
            return {}
        found = connection.execute("SELECT uid, kind, topology, record FROM records").fetchall()

    def samples(record: str) -> list[int]:
        content: dict[str, Any] = json.loads(record)
        return [sample for visit in content["rounds_ns"] for sample in visit]

    return {uid: (kind, topology, samples(record)) for uid, kind, topology, record in found}


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def assert_one_sentence(done: Result) -> None:
    """Standard error has one line of error, and no traceback."""
    assert "Traceback" not in done.err
    assert done.err.count("error:") == 1
    assert "\n" not in done.sentence
    assert len(done.sentence) < 400


class TestRunFolder:
    def test_holds_what_the_design_says_and_nothing_half_written(self, quick_run: Path) -> None:
        assert {path.name for path in quick_run.iterdir()} == {
            *("run.json", "bank", "measurements.sqlite", "tradeoff.csv", "tradeoff.png", "report.html", "subnets"),
            *("scores.sqlite", "costs", ".lock"),
        }
        assert [path.name for path in (quick_run / "costs").iterdir()] == ["tiny-fp32-b1.json"]
        bank = {path.name for path in (quick_run / "bank").iterdir()}
        assert bank == {"weights.safetensors", "bank.json", "checkpoint.safetensors"}

    def test_run_json_says_what_was_asked_and_what_happened(self, quick_run: Path, tiny: Path) -> None:
        record = json.loads((quick_run / "run.json").read_text())
        assert record["arguments"]["devices"] == [str(tiny)]
        assert record["arguments"]["budgets"] == "1,1/8,1/64"
        assert record["arguments"]["adaptation"]["source_iterations"] == 5
        assert record["seed"] == 0
        assert set(record["versions"]) >= {"python", "torch", "onnxruntime", "numpy"}
        assert record["data"] == {"name": "digits", "digest": load_digits(0)[0].digest}
        assert record["devices"]["tiny"]["engine_version"] == onnxruntime.__version__
        assert set(record["seconds"]) == {"data", "checks tiny", "adapt", "profile tiny", "search tiny", "report"}
        assert min(record["seconds"].values()) > 0
        assert record["cost_models"]["tiny"]["held_out"]["count"] > 10
        assert record["errors"] == []
        # So short a training leaves a bank that is noticed, without labels, to be a poor one.
        assert any("doubtful" in warning for warning in record["warnings"])

    def test_what_the_cost_model_is_off_by_is_told_and_on_the_page(self, quick_run: Path) -> None:
        model = json.loads((quick_run / "run.json").read_text())["cost_models"]["tiny"]
        told = (quick_run.parent / "err.txt").read_text()
        assert f"cost model of tiny: off by {off(model['held_out']['mean'])} on {len(model['unseen'])} networks" in told
        assert ("tiny computes channels in blocks" in told) == (model["blocks"]["size"] > 1)
        assert ("no steps of channels were found on tiny" in told) == (model["blocks"]["size"] == 1)
        assert 'id="cost-models"' in (quick_run / "report.html").read_text()

    def test_what_speaks_against_measuring_is_looked_for_once_and_kept(self, quick_run: Path) -> None:
        findings = json.loads((quick_run / "run.json").read_text())["findings"]
        assert list(findings) == ["tiny"]
        told = (quick_run.parent / "err.txt").read_text()
        assert all(f"tiny: {line}" in told for line in findings["tiny"])

    def test_the_bank_says_what_it_is_of(self, quick_run: Path) -> None:
        description = json.loads((quick_run / "bank" / "bank.json").read_text())
        assert description["model"] == "resnet8"
        assert description["classes"] == list("0123456789")
        assert description["about"]["digest"] == load_digits(0)[0].digest

    def test_tradeoff_csv_has_the_columns_in_order_and_one_row_per_subnet(self, quick_run: Path) -> None:
        header, *lines = (quick_run / "tradeoff.csv").read_text().splitlines()
        assert header.split(",") == [name.strip() for name in COLUMNS.split(",")]
        rows = read_csv(quick_run / "tradeoff.csv")
        assert len(rows) == len(lines) == len({row.arch_id for row in rows})

    def test_rows_are_consistent(self, quick_run: Path) -> None:
        for row in read_csv(quick_run / "tradeoff.csv"):
            assert row.arch_id == hashlib.sha256(f"resnet8:{row.widths}".encode()).hexdigest()[:12]
            assert row.flops == 2 * row.macs
            assert row.upem is not None or (row.samples is not None and row.chosen_by is None)
            assert row.predicted_ms is not None
            assert (row.cost_source == "measured") == (row.samples is not None)
            assert (row.target_accuracy is not None) == (row.samples is not None and row.upem is not None)
            assert (row.peak_memory_mb is not None) == (row.selected == "yes")
            assert row.energy_mj is None or row.selected == "yes", "not every machine has a sensor"
            assert (row.sustained_p50_ms, row.power_mode) == (None, None)

    def test_memory_and_energy_of_what_was_selected_are_kept_with_their_reasons(self, quick_run: Path) -> None:
        with sqlite3.connect(quick_run / "measurements.sqlite") as connection:
            found = [(kind, json.loads(text)) for kind, text in connection.execute("SELECT kind, record FROM passes")]
        assert Counter(kind for kind, _ in found) == dict.fromkeys(("memory", "energy"), len(selected(quick_run)))
        for kind, record in found:
            figure = record["peak_mb" if kind == "memory" else "energy_mj"]
            assert (figure is None) == bool(record["reason"])

    def test_every_budget_is_answered_once_by_a_subnet_within_it(self, quick_run: Path) -> None:
        answers = selected(quick_run)
        assert sorted(label for row in answers for label in row.budgets) == ["1", "1/64", "1/8"]
        for row in answers:
            limit = min(1.0 if label == "1" else 1 / int(label[2:]) for label in row.budgets)
            assert row.compute_fraction <= limit
            assert row.within_budget == "yes"
        full = next(row for row in answers if "1" in row.budgets)
        assert (full.compute_fraction, full.upem, full.on_front) == (1.0, 0.0, "yes")

    def test_every_budget_but_the_whole_is_compared_with_what_multiply_adds_choose(self, quick_run: Path) -> None:
        found = json.loads((quick_run / "run.json").read_text())["comparisons"]["tiny"]
        assert [comparison["budget"] for comparison in found] == ["1/8", "1/64"]
        rows = {row.arch_id: row for row in read_csv(quick_run / "tradeoff.csv")}
        answers = {budget: row for row in selected(quick_run) for budget in row.budgets}
        for comparison in found:
            chosen, partner = rows[comparison["flops_chosen"]], rows[comparison["partner"]]
            assert chosen.compute_fraction <= Fraction(comparison["budget"])
            assert chosen.upem == comparison["flops_upem"] == answers[comparison["budget"]].upem
            assert partner.upem == comparison["partner_upem"]
            assert comparison["partner_upem"] <= comparison["flops_upem"]
            assert 0 < comparison["low"] <= comparison["speedup"] <= comparison["high"]
            assert chosen.processes == partner.processes == 6
            for arch, row in (("flops", chosen), ("partner", partner)):
                assert comparison[f"{arch}_ms"] == row.host_p50_ms
            told = (quick_run.parent / "err.txt").read_text()
            page = (quick_run / "report.html").read_text(encoding="utf-8")
            assert comparison["flops_chosen"] in told[told.rindex("at the same or lower UPEM") :]
            assert comparison["flops_chosen"] in page[page.rindex("at the same or lower UPEM") :]

    def test_selected_subnets_were_measured_over_fresh_processes_to_the_p99_count(self, quick_run: Path) -> None:
        for row in selected(quick_run):
            assert row.processes is not None
            assert row.processes >= 6
            assert row.samples is not None
            assert row.samples >= 662
            assert row.host_p99_ms is not None
            assert row.host_ci_low_ms is not None
            assert row.host_p50_ms is not None
            assert row.throughput_ips == pytest.approx(1000 / row.host_p50_ms)

    def test_measurements_hold_the_raw_samples_of_every_row(self, quick_run: Path) -> None:
        records = stored(quick_run / "measurements.sqlite")
        assert set(records) <= set(stored(quick_run.parent / "store.sqlite"))
        explored = [sorted(samples) for kind, _, samples in records.values() if kind == "explore"]
        rows = [row for row in read_csv(quick_run / "tradeoff.csv") if row.cost_source == "measured"]
        finalists = [row.processes for row in rows if row.processes and row.processes > 1]
        assert Counter(kind for kind, _, _ in records.values())["finalist"] == sum(finalists)
        for row in rows:
            assert row.host_p50_ms is not None
            p50 = round(row.host_p50_ms * 1e6)  # samples are whole nanoseconds, and a ratio of floats is not
            assert row.processes != 1 or any(
                len(samples) == row.samples and samples[len(samples) // 2 - 1] <= p50 <= samples[len(samples) // 2]
                for samples in explored
            )

    def test_measurements_keep_the_exploring_of_what_became_a_finalist(self, quick_run: Path) -> None:
        records = stored(quick_run / "measurements.sqlite").values()
        explored = {topology for kind, topology, _ in records if kind == "explore"}
        finalists = {topology for kind, topology, _ in records if kind == "finalist"}
        assert len(finalists) >= len(selected(quick_run))
        assert explored & finalists

    def test_the_pictures_are_there_to_be_looked_at(self, quick_run: Path) -> None:
        with Image.open(quick_run / "tradeoff.png") as picture:
            assert min(picture.size) > 400
            assert len(set(picture.convert("L").resize((64, 64)).tobytes())) > 5
        page = (quick_run / "report.html").read_text()
        assert all(row.arch_id in page for row in selected(quick_run))


class TestSubnets:
    def test_are_the_selected_ones_by_name(self, quick_run: Path) -> None:
        files = {path.name: path.stat().st_size for path in (quick_run / "subnets").iterdir()}
        assert files == {subnet_filename(row.arch_id, "fp32", 1): row.model_bytes for row in selected(quick_run)}

    def test_say_how_to_use_them_and_where_they_come_from(self, quick_run: Path) -> None:
        for row in selected(quick_run):
            model = onnx.load(quick_run / "subnets" / subnet_filename(row.arch_id, "fp32", 1))
            assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
            assert model.ir_version == 8
            about = {entry.key: entry.value for entry in model.metadata_props}
            assert json.loads(about["classes"]) == list("0123456789")
            assert (about["widths"], about["arch_id"], about["model"]) == (row.widths, row.arch_id, "resnet8")
            assert (about["data"], about["method"], about["seed"]) == ("digits", "slimda", "0")
            assert Preprocessing.from_json(about["preprocessing"]).size == (16, 16)

    @torch.no_grad()
    def test_answer_in_onnx_runtime_what_the_bank_answers(self, quick_run: Path) -> None:
        bank, _ = load_bank(quick_run / "bank")
        target = load_digits(0)[0].target[:]
        for row in selected(quick_run):
            arch = decode(row.widths)
            expected = bank.logits(target[:32], arch, bank.reestimate(target, arch)).numpy()
            path = quick_run / "subnets" / subnet_filename(row.arch_id, "fp32", 1)
            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            found = np.concatenate([session.run(None, {"images": image[None].numpy()})[0] for image in target[:32]])
            np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
            assert row.agreement is not None
            assert row.agreement > 0.99

    def test_of_a_batch_of_images(self, runner: Runner, copied: Path, store: Path) -> None:
        record = json.loads((copied / "run.json").read_text())
        record["arguments"] |= {"batch_size": 3, "budgets": "1/64"}
        (copied / "run.json").write_text(json.dumps(record))
        assert runner("search", "--run", copied, "--store", store).code == 0
        (row,) = selected(copied)
        assert row.batch_size == 3
        assert row.host_p50_ms is not None
        assert row.throughput_ips == pytest.approx(3000 / row.host_p50_ms)
        (path,) = (copied / "subnets").iterdir()
        assert path.name == f"{row.arch_id}-fp32-b3.onnx"
        assert onnxruntime.InferenceSession(str(path)).get_inputs()[0].shape == [3, 1, 16, 16]


class TestTalking:
    def test_json_is_the_only_line_on_standard_output(self, quick_run: Path) -> None:
        (line,) = (quick_run.parent / "out.txt").read_text().splitlines()
        told = json.loads(line)
        assert told["run"] == str(quick_run)
        assert told["exit_code"] == 0
        assert told["errors"] == []
        assert len(told["selected"]) == len(selected(quick_run))
        assert all(answer["host_p50_ms"] > 0 for answer in told["selected"])
        assert {"adapt", "report"} <= set(told["seconds"])

    def test_the_terminal_shows_stages_and_a_closing_table(self, quick_run: Path) -> None:
        told = (quick_run.parent / "err.txt").read_text()
        for words in ("reading the images", "adapting (slimda)", "measuring finalists on tiny", str(quick_run)):
            assert words in told
        closing = told[told.rindex("onnxruntime") :]
        assert all(row.arch_id in closing for row in selected(quick_run))

    def test_quiet_says_nothing_where_nothing_is_wrong(self, runner: Runner, copied: Path) -> None:
        assert runner("report", "--run", copied, "--quiet") == Result(0, "", "")

    def test_errors_are_told_in_json_too(self, runner: Runner, tmp_path: Path) -> None:
        done = runner("--run", tmp_path / "run", "--device", "nosuch", "--json", "--quiet")
        told = json.loads(done.out)
        assert told["exit_code"] == done.code == 2
        assert told["errors"] == [done.sentence]


class TestStagesAndStore:
    def test_a_search_again_measures_nothing_again_and_finds_the_same(
        self, runner: Runner, quick_run: Path, copied: Path, store: Path
    ) -> None:
        before = set(stored(store))
        assert runner("search", "--run", copied, "--store", store).code == 0
        assert set(stored(store)) == before
        assert set(stored(copied / "measurements.sqlite")) == set(stored(quick_run / "measurements.sqlite"))
        assert [(row.arch_id, row.host_p50_ms, row.budget, row.upem) for row in read_csv(copied / "tradeoff.csv")] == [
            (row.arch_id, row.host_p50_ms, row.budget, row.upem) for row in read_csv(quick_run / "tradeoff.csv")
        ]

    def test_other_budgets_replace_rows_and_subnets(self, runner: Runner, copied: Path, store: Path) -> None:
        assert runner("search", "--run", copied, "--store", store, "--budgets", "1/64", "--measure").code == 0
        (row,) = selected(copied)
        assert row.budget == "1/64"
        assert [path.name for path in (copied / "subnets").iterdir()] == [subnet_filename(row.arch_id, "fp32", 1)]

    @pytest.mark.parametrize("wrong", [("--device", "nosuch"), ("--budgets", "much"), ("--budgets", "")])
    def test_a_refused_stage_changes_nothing(self, runner: Runner, copied: Path, wrong: tuple[str, str]) -> None:
        before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
        assert runner("search", "--run", copied, *wrong).code == 2
        assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before

    def test_several_devices_share_one_bank_and_one_table(
        self, runner: Runner, copied: Path, store: Path, tmp_path: Path
    ) -> None:
        both = f"{write_profile(tmp_path, 'one')},{write_profile(tmp_path, 'two', threads=2)}"
        done = runner("search", "--run", copied, "--store", store, "--device", both, "--budgets", "1/64")
        assert done.code == 0, done.err
        rows = read_csv(copied / "tradeoff.csv")
        assert {(row.device, row.threads) for row in rows} == {("one", 1), ("two", 2)}
        assert {row.device for row in selected(copied)} == {"one", "two"}
        with sqlite3.connect(copied / "measurements.sqlite") as connection:
            assert set(connection.execute("SELECT DISTINCT threads FROM records")) == {(1,), (2,)}

    def test_one_lost_device_does_not_cost_the_others(
        self, runner: Runner, copied: Path, store: Path, tmp_path: Path, tiny: Path
    ) -> None:
        lost = write_profile(tmp_path, "lost", tables=SILENT)
        done = runner("search", "--run", copied, "--store", store, "--device", f"{lost},{tiny}", "--json")
        assert done.code == 3
        assert done.err.count("error:") == 1
        assert "did not answer" in done.sentence
        assert {row.device for row in selected(copied)} == {"tiny"}
        assert json.loads((copied / "run.json").read_text())["errors"] == json.loads(done.out)["errors"]


class TestLatencyBudgets:
    def test_are_answered_by_what_was_measured(
        self, runner: Runner, quick_run: Path, store: Path, tmp_path: Path
    ) -> None:
        measured = [row.host_p50_ms for row in read_csv(quick_run / "tradeoff.csv") if row.host_p50_ms]
        middle = f"{math.sqrt(min(measured) * max(measured)):.3f}"
        limits = ("--latency-ms", f"{middle},1000")
        done = runner("--run", tmp_path / "run", "--store", store, *TINY_ADAPTATION[:-2], *limits)
        answers = {label: row for row in selected(tmp_path / "run") for label in row.budgets}
        assert set(answers) == {f"{float(middle):g}ms", "1000ms"}
        assert answers["1000ms"].upem == 0
        assert answers["1000ms"].within_budget == "yes"
        row = answers[f"{float(middle):g}ms"]
        assert row.host_ci_low_ms is not None
        assert row.host_ci_high_ms is not None
        verdict = "yes" if row.host_ci_high_ms <= float(middle) else "borderline"
        assert row.within_budget == ("no" if row.host_ci_low_ms > float(middle) else verdict)
        assert done.code == {"yes": 0, "borderline": 0 if row.status == "ok" else 5, "no": 4}[row.within_budget]

    def test_hold_together_with_budgets(self, runner: Runner, copied: Path, store: Path) -> None:
        limits = ("--budgets", "1,1/64", "--latency-ms", "1000")
        assert runner("search", "--run", copied, "--store", store, "--measure", *limits).code == 0
        assert {label for row in selected(copied) for label in row.budgets} == {"1+1000ms", "1/64+1000ms"}

    def test_that_nothing_can_meet_are_noticed_before_training(
        self, runner: Runner, store: Path, tmp_path: Path
    ) -> None:
        done = runner("--run", tmp_path / "run", "--store", store, "--latency-ms", "0.000001")
        assert done.code == 4
        assert "the fastest subnet measured needs 0.0" in done.sentence
        assert not (tmp_path / "run" / "bank").exists()


class TestStandalone:
    """Networks trained apart go the whole way too; there is nothing to search among them."""

    def test_every_budget_gets_the_network_trained_for_it_or_a_smaller_one(
        self, runner: Runner, tmp_path: Path, store: Path
    ) -> None:
        done = runner("--run", tmp_path / "run", "--store", store, "--method", "standalone", *TINY_ADAPTATION)
        assert done.code == 0, done.err
        rows = read_csv(tmp_path / "run" / "tradeoff.csv")
        assert [row.chosen_by for row in rows] == ["uniform"] * 3
        assert all(row.target_accuracy is not None and row.upem is not None for row in rows)
        assert sorted(budget for row in rows for budget in row.budgets) == ["1", "1/64", "1/8"]
        assert "trained apart" in str(json.loads((tmp_path / "run" / "run.json").read_text())["warnings"])
        bank, _ = load_bank(tmp_path / "run" / "bank")
        assert isinstance(bank, StandaloneBank)
        assert {encode(arch) for arch in bank.archs} == {row.widths for row in rows}
        again = runner("search", "--run", tmp_path / "run", "--store", store, "--budgets", "1/2", "--measure")
        assert again.code == 0, again.err
        (selected,) = [row for row in read_csv(tmp_path / "run" / "tradeoff.csv") if row.selected == "yes"]
        assert selected.compute_fraction <= 1 / 8


class TestImageFolders:
    SHORT = ("--quick", "--image-size", "16", "--source-iterations", "20", "--iterations", "5", "--budgets", "1,1/8")

    @pytest.fixture(scope="class")
    def images(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Red, green and blue images; `photos` are darker `paintings`, `heap` is `photos` without class folders."""
        folder = tmp_path_factory.mktemp("images")
        rng = np.random.default_rng(0)
        for channel, name in enumerate(("red", "green", "blue")):
            for index in range(14):
                pixels = rng.integers(0, 90, (20, 24, 3), np.uint8)
                pixels[..., channel] += 120
                for domain, picture in (("paintings", pixels), ("photos", pixels // 2)):
                    (folder / domain / name).mkdir(parents=True, exist_ok=True)
                    Image.fromarray(picture).save(folder / domain / name / f"{index}.png")
                (folder / "heap").mkdir(exist_ok=True)
                Image.fromarray(pixels // 2).save(folder / "heap" / f"{name}-{index}.jpg")
        return folder

    @pytest.fixture(scope="class")
    def folder_store(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("folders") / "store.sqlite"

    @pytest.mark.parametrize("target", ["photos", "heap"])
    def test_run_end_to_end_with_accuracy_where_there_are_labels(
        self, runner: Runner, images: Path, folder_store: Path, tmp_path: Path, target: str
    ) -> None:
        domains = ("--source", images / "paintings", "--target", images / target)
        done = runner("--run", tmp_path / "run", "--store", folder_store, *domains, *self.SHORT)
        assert done.code == 0, done.err
        rows = read_csv(tmp_path / "run" / "tradeoff.csv")
        accuracies = [row.target_accuracy for row in rows if row.cost_source == "measured" and row.upem is not None]
        assert accuracies
        assert all((accuracy is not None) == (target == "photos") for accuracy in accuracies)
        assert ("Accuracy" in done.err) == (target == "photos")
        assert (tmp_path / "run" / "tradeoff.png").is_file()
        for path in (tmp_path / "run" / "subnets").iterdir():
            about = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
            assert json.loads(about["classes"]) == ["blue", "green", "red"]

    def test_an_unreadable_image_is_named(self, runner: Runner, images: Path, tmp_path: Path) -> None:
        broken = tmp_path / "broken"
        shutil.copytree(images / "photos", broken)
        (broken / "green" / "3.png").write_bytes(b"\x89PNG but then no more")
        done = runner("--run", tmp_path / "run", "--source", images / "paintings", "--target", broken, *self.SHORT)
        assert done.code == 2
        assert str(broken / "green" / "3.png") in done.sentence
        assert not (tmp_path / "run" / "bank").exists()


class TestUsageErrors:
    """Exit code 2, in one sentence that says what to do, and nothing left behind."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--device", "jetsan"), "no device profile 'jetsan'"),
            (("--device", "missing.toml"), "missing.toml cannot be read"),
            (("--device", "cpu,cpu"), "cpu 2 times"),
            (("--device", "cpu,"), "no device profile ''"),
            (("--budgets", "much"), "'much' is not"),
            (("--budgets", ""), "'' is not"),
            (("--budgets", "2"), "2 is not a share"),
            (("--budgets", "1/0"), "1/0"),
            (("--budgets", "nan"), "'nan'"),
            (("--latency-ms", "-1"), "'-1'"),
            (("--latency-ms", "1e9999"), "'1e9999'"),
            (("--method", "magic"), "--method"),
            (("--confidence", "blind"), "--confidence"),
            (("--learning-rate", "nan"), "--learning-rate"),
            (("--temperature", "0"), "--temperature"),
            (("--source", "images"), "belong together"),
            (("--source", "nowhere", "--target", "nowhere"), "nowhere does not exist"),
            (("--resume",), "--resume needs --run"),
            (("--threads", "4000"), "threads"),
        ],
    )
    def test_of_values(
        self, runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        done = runner(*arguments)
        assert done.code == 2
        assert words in done.sentence
        assert_one_sentence(done)
        assert done.out == ""
        left = [path for path in tmp_path.rglob("*") if path.name != "run.json" and path.is_file()]
        assert [path for path in left if path.name != ".lock"] == []

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--no-such-option",),
            ("nosuchcommand",),
            ("--threads", "0"),
            ("--batch-size", "0"),
            ("--seed", "-1"),
            ("--seed", str(2**32)),
            ("--image-size", "8"),
            ("--iterations", "many"),
            ("profile",),
            ("--quick", "profile", "--run", "x"),
            ("--seed", "3", "adapt"),
        ],
    )
    def test_of_options(self, runner: Runner, arguments: tuple[str, ...]) -> None:
        done = runner(*arguments, "--device", "cpu") if arguments[0].startswith("--") else runner(*arguments)
        assert done.code == 2
        assert "Traceback" not in done.err

    def test_of_an_unknown_model(self, runner: Runner, tmp_path: Path) -> None:
        done = runner("--run", tmp_path / "run", "--model", "resnet1001")
        assert done.code == 2
        assert "resnet1001" in done.sentence
        assert "resnet8" in done.sentence
        assert_one_sentence(done)

    @pytest.mark.parametrize("stage", ["profile", "search", "report"])
    def test_of_a_stage_without_a_run(self, runner: Runner, tmp_path: Path, stage: str) -> None:
        done = runner(stage, "--run", tmp_path / "run")
        assert done.code == 2
        assert "there is no run in" in done.sentence
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(("stage", "missing"), [("search", "no model bank"), ("report", "tradeoff.csv")])
    def test_of_a_stage_too_early(self, runner: Runner, copied: Path, stage: str, missing: str) -> None:
        shutil.rmtree(copied / "bank")
        (copied / "tradeoff.csv").unlink()
        done = runner(stage, "--run", copied)
        assert done.code == 2
        assert missing in done.sentence

    def test_of_a_run_folder_that_holds_a_run(self, runner: Runner, copied: Path) -> None:
        done = runner("--run", copied)
        assert done.code == 2
        assert "add --resume" in done.sentence

    def test_of_resuming_with_other_arguments(self, runner: Runner, copied: Path) -> None:
        done = runner("--run", copied, "--resume", "--seed", "7")
        assert done.code == 2
        assert "other arguments" in done.sentence

    def test_of_a_run_folder_in_use(self, runner: Runner, copied: Path) -> None:
        with (copied / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = runner("report", "--run", copied)
        assert done.code == 2
        assert "another process is working" in done.sentence

    def test_of_a_run_folder_that_is_a_file(self, runner: Runner, tmp_path: Path) -> None:
        (tmp_path / "run").write_text("")
        done = runner("--run", tmp_path / "run")
        assert done.code == 2
        assert "cannot write to the run folder" in done.sentence

    @pytest.mark.parametrize("content", [b"{", b"[]", b'{"format": 2}', b"\xff\xfe"])
    def test_of_a_damaged_run_json(self, runner: Runner, copied: Path, content: bytes) -> None:
        (copied / "run.json").write_bytes(content)
        done = runner("report", "--run", copied)
        assert done.code == 2
        assert "run.json is not a run record" in done.sentence
        assert_one_sentence(done)

    @pytest.mark.parametrize("name", ["weights.safetensors", "bank.json"])
    def test_of_a_damaged_bank(self, runner: Runner, copied: Path, name: str) -> None:
        (copied / "bank" / name).write_bytes(b"nonsense")
        done = runner("report", "--run", copied)
        assert done.code == 2
        assert name in done.sentence
        assert_one_sentence(done)

    @pytest.mark.parametrize("kind", ["a text", "a folder"])
    def test_of_a_store_that_is_none(self, runner: Runner, copied: Path, tmp_path: Path, kind: str) -> None:
        wrong = tmp_path / "wrong"
        wrong.write_text("not a store\n" * 100) if kind == "a text" else wrong.mkdir()
        done = runner("search", "--run", copied, "--store", wrong)
        assert done.code == 2
        assert str(wrong) in done.sentence
        assert_one_sentence(done)

    def test_can_be_put_right_in_the_same_folder(self, runner: Runner, tmp_path: Path, store: Path) -> None:
        """What did not get as far as training has nothing to resume."""
        arguments = ("adapt", "--run", tmp_path / "run", "--store", store)
        assert runner(*arguments, "--budgets", "1/5000").code == 4
        assert runner(*arguments, *TINY_ADAPTATION, "--seed", "1").code == 0
        assert json.loads((tmp_path / "run" / "run.json").read_text())["seed"] == 1


class TestOtherFailures:
    def test_a_share_that_nothing_meets_is_noticed_in_seconds_and_before_training(
        self, runner: Runner, tmp_path: Path, store: Path
    ) -> None:
        begun = time.monotonic()
        done = runner("--run", tmp_path / "run", "--store", store, "--budgets", "1/5000")
        assert done.code == 4
        assert "budget 1/5000 cannot be met: the smallest subnet needs 1/" in done.sentence
        assert done.err.count("error:") == 1
        assert not (tmp_path / "run" / "bank").exists()
        assert time.monotonic() - begun < 20

    def test_what_can_be_met_is_done_beside_what_cannot(self, runner: Runner, copied: Path, store: Path) -> None:
        done = runner("search", "--run", copied, "--store", store, "--measure", "--budgets", "1/64,1/5000")
        assert done.code == 4
        assert done.err.count("error:") == 1
        assert "1/5000" in done.sentence
        assert [row.budget for row in selected(copied)] == ["1/64"]

    def test_an_impossible_budget_beside_possible_ones_does_not_stop_a_whole_run(
        self, runner: Runner, tmp_path: Path, store: Path
    ) -> None:
        done = runner("--run", tmp_path / "run", "--store", store, *TINY_ADAPTATION[:-1], "1/64,1/5000")
        assert done.code == 4
        assert done.err.count("error:") == 1
        assert [row.budget for row in selected(tmp_path / "run")] == ["1/64"]
        assert (tmp_path / "run" / "report.html").is_file()

    def test_diverged_adaptation(self, runner: Runner, tmp_path: Path, store: Path) -> None:
        done = runner("adapt", "--run", tmp_path / "run", "--store", store, "--quick", "--learning-rate", "1e30")
        assert done.code == 5
        assert "adaptation diverged" in done.sentence
        assert "learning rate below 1e+30" in done.sentence
        assert not (tmp_path / "run" / "bank" / "bank.json").exists()
        assert json.loads((tmp_path / "run" / "run.json").read_text())["errors"] == [done.sentence]
        assert_one_sentence(done)

    def test_a_device_whose_runtime_is_missing(
        self, runner: Runner, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "onnxruntime.py").write_text("raise ImportError('no such runtime here')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # for the agent; this process has long imported its own
        done = runner("--run", tmp_path / "run", "--store", store)
        assert done.code == 3
        assert "onnxruntime" in done.sentence
        assert_one_sentence(done)
        assert not (tmp_path / "run" / "bank").exists()

    def test_a_device_that_another_run_measures_on(
        self, runner: Runner, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path
    ) -> None:
        monkeypatch.setattr("harness.running.run.connect", functools.partial(connect, lock_wait_s=0.1))
        with (own_cache / "slimda-edge" / "local" / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = runner("--run", tmp_path / "run", "--store", store)
        assert done.code == 3
        assert "the device is busy" in done.sentence

    def test_a_device_lost_after_the_finalists_costs_their_memory_and_energy_alone(
        self, runner: Runner, copied: Path, store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lost(*_: object, **__: object) -> None:
            raise DeviceError("the board went up in smoke")

        monkeypatch.setattr("harness.choosing.verifying.measure_further", lost)
        done = runner("search", "--run", copied, "--store", store)
        assert done.code == 3
        assert "up in smoke" in done.err
        chosen = selected(copied)
        assert chosen
        assert all(row.host_p50_ms is not None and row.peak_memory_mb is None for row in chosen)
        assert len(list((copied / "subnets").glob("*.onnx"))) == len({row.arch_id for row in chosen})

    def test_an_internal_error_is_one_sentence_and_with_debug_a_traceback(
        self, runner: Runner, copied: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def breaks(*_: object, **__: object) -> None:
            raise ZeroDivisionError("a fault\nof ours")

        monkeypatch.setattr("harness.results.writing.draw_tradeoff", breaks)
        done = runner("report", "--run", copied)
        assert done.code == 1
        assert done.sentence == "a fault of ours (an internal error; --debug shows where)"
        assert_one_sentence(done)
        debugged = runner("report", "--run", copied, "--debug")
        assert debugged.code == 1
        assert "Traceback" in debugged.err
        assert "in breaks" in debugged.err


class TestInterruption:
    """Real processes, killed where it hurts."""

    LONG = ("--quick", "--source-iterations", "10", "--iterations", "90", "--train-batch-size", "8")

    def test_a_run_killed_while_adapting_ends_in_the_same_weights(
        self, runner: Runner, tmp_path: Path, tiny: Path
    ) -> None:
        killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
        process = start("adapt", "--run", killed, "--device", tiny, *self.LONG)
        wait_for((killed / "bank" / "checkpoint.safetensors").exists, process)
        process.kill()
        process.communicate()
        assert not (killed / "bank" / "bank.json").exists()

        assert runner("adapt", "--run", killed, "--resume").code == 0
        assert runner("adapt", "--run", undisturbed, *self.LONG).code == 0
        for name in ("weights.safetensors", "bank.json"):
            assert (killed / "bank" / name).read_bytes() == (undisturbed / "bank" / name).read_bytes()

    def test_a_run_killed_while_measuring_loses_no_measurement(
        self, runner: Runner, copied: Path, tmp_path: Path, own_cache: Path
    ) -> None:
        store = tmp_path / "own.sqlite"

        def finalists() -> list[str]:
            """Topologies, one for each process."""
            return [topology for kind, topology, _ in stored(store).values() if kind == "finalist"]

        process = start("search", "--run", copied, "--store", store)
        wait_for(lambda: bool(finalists()), process)
        process.kill()
        process.communicate()
        before = stored(store)

        assert runner("search", "--run", copied, "--store", store).code == 0
        after = stored(store)
        assert set(before) < set(after)
        assert all(after[uid] == found for uid, found in before.items())
        assert {kind for uid, (kind, _, _) in after.items() if uid not in before} == {"finalist"}
        assert set(Counter(finalists()).values()) == {6}
        assert list((own_cache / "slimda-edge" / "local").glob("work-*")) == []

    def test_ctrl_c_says_how_to_go_on(self, tmp_path: Path, tiny: Path, own_cache: Path) -> None:
        run, store = tmp_path / "a run", tmp_path / "store.sqlite"
        process = start("--run", run, "--store", store, "--device", tiny, "--json", *self.LONG)
        wait_for(lambda: (run / "run.json").exists() and "checks" in (run / "run.json").read_text(), process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert f"python benchmark.py --run '{run}' --store {store} --resume" in err
        assert "Traceback" not in err
        assert json.loads(out)["exit_code"] == 130
        assert list((own_cache / "slimda-edge" / "local").glob("work-*")) == []
