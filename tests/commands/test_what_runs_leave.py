"""What a run leaves: its folder, its record, its table, its measurements, and subnets that answer as the bank does."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from harness.bank import load_bank
from harness.comparing.finished import Series, read_run
from harness.data import Preprocessing, load_digits
from harness.export import subnet_filename
from harness.report import read_csv
from harness.report.cost_words import off
from harness.report.words import digits
from harness.space import decode
from tests.runs import Runner, selected, stored

COLUMNS = """
device, engine, engine_version, power_mode, threads, precision, batch_size, arch_id, widths, compute_fraction, macs,
flops, params, model_bytes, host_p50_ms, host_ci_low_ms, host_ci_high_ms, host_p90_ms, host_p99_ms, sustained_p50_ms,
compute_p50_ms, first_ms, samples, rounds, processes, throughput_ips, peak_memory_mb, energy_mj, predicted_ms,
cost_source, upem, agreement, target_accuracy, accuracy_ci_low, accuracy_ci_high, budget, chosen_by, within_budget,
on_front, selected, status, reason
"""


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
        # So short a training gives adaptation little to build on and leaves a poor bank: noticed without labels.
        assert any("before adaptation an estimated" in warning for warning in record["warnings"])
        assert set(record["foresight"]) == {"source_accuracy", "estimated_target_accuracy"}
        assert 0 < record["foresight"]["source_accuracy"] < 0.85
        told = (quick_run.parent / "err.txt").read_text()
        assert "of held-out source images are named rightly, too few" in told
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

    def test_compare_finds_the_raw_samples_of_every_finalist(self, quick_run: Path) -> None:
        finalists = [one for one in read_run(quick_run).results[Series("tiny", "fp32", 1)] if one.decided]
        assert len(finalists) >= len(selected(quick_run))
        assert [len(one.records) for one in finalists] == [one.row.processes for one in finalists]

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
        files = {path.name: path.stat().st_size for path in (quick_run / "subnets").glob("*.onnx")}
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
            assert Preprocessing.model_validate_json(about["preprocessing"]).size == (16, 16)

    def test_have_a_card_each_with_what_was_measured(self, quick_run: Path) -> None:
        cards = {path.stem: path.read_text() for path in (quick_run / "subnets").glob("*.md")}
        assert set(cards) == {f"{row.arch_id}-fp32-b1" for row in selected(quick_run)}
        for row in selected(quick_run):
            (cost,) = [line for line in cards[f"{row.arch_id}-fp32-b1"].splitlines() if line.startswith("| tiny |")]
            assert row.host_p50_ms is not None
            assert f"| {digits(row.host_p50_ms)} \\[" in cost
            assert f"onnxruntime {onnxruntime.__version__}, 1 thread, fp32, batch 1" in cost
            assert row.budget is not None
            assert row.budget.replace(";", ", ") in cost

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
        path, card = sorted((copied / "subnets").iterdir(), key=lambda one: one.suffix, reverse=True)
        assert card.name == f"{row.arch_id}-fp32-b3.md"
        assert path.name == f"{row.arch_id}-fp32-b3.onnx"
        assert onnxruntime.InferenceSession(str(path)).get_inputs()[0].shape == [3, 1, 16, 16]
