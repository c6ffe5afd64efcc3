"""Networks that a user would pick instead: adapted and measured in a run, told beside its subnets, never selected."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

import onnx
import pytest
from safetensors.torch import load_file

from harness.adaptation import AdaptationDiverged
from harness.data import load_digits
from harness.export import PrecisionError
from harness.report import Row, read_csv
from tests.runs import TINY_ADAPTATION, Result, Runner
from tests.test_label_guard import Forbidden

NAME = "shufflenet_v2_x0_5"


class Done(NamedTuple):
    """A run with a baseline, and what its report told."""

    run: Path
    store: Path
    told: Result


@pytest.fixture(scope="module")
def done(runner: Runner, quick_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """All stages, of which those before the report must not look at target labels."""
    folder = tmp_path_factory.mktemp("baselines")
    run, store = folder / "run", Path(shutil.copy(quick_run.parent / "store.sqlite", folder / "store.sqlite"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.running.inputs.load_digits", lambda seed: (load_digits(seed)[0], Forbidden()))
        begun = runner("adapt", "--run", run, "--store", store, "--baseline", NAME, *TINY_ADAPTATION)
        assert begun.code == 0, begun.err
        for stage in ("profile", "search"):
            assert (ended := runner(stage, "--run", run, "--store", store)).code == 0, ended.err
    return Done(run, store, runner("report", "--run", run, "--json"))


@pytest.fixture
def copied(done: Done, tmp_path: Path) -> Done:
    shutil.copytree(done.run, tmp_path / "run")
    return Done(tmp_path / "run", Path(shutil.copy(done.store, tmp_path / "store.sqlite")), done.told)


def baseline_row(run: Path) -> Row:
    names = json.loads((run / "run.json").read_text())["baselines"]
    (row,) = [row for row in read_csv(run / "tradeoff.csv") if row.arch_id in names]
    assert names[row.arch_id]["name"] == NAME
    return row


def test_its_row_has_what_a_finalist_has_and_nothing_that_a_search_gives(done: Done) -> None:
    row = baseline_row(done.run)
    assert row.arch_id == hashlib.sha256(f"{NAME}:{row.widths}".encode()).hexdigest()[:12]
    assert (row.selected, row.on_front, row.status) == ("no", "no", "ok" if row.reason is None else row.status)
    assert (row.budget, row.chosen_by, row.upem, row.predicted_ms, row.within_budget) == (None,) * 5
    assert row.agreement is not None
    assert row.agreement > 0.98
    assert row.processes is not None
    assert row.processes >= 6
    assert None not in (row.host_p50_ms, row.host_ci_low_ms, row.host_p99_ms, row.throughput_ips)
    assert (row.cost_source, row.flops) == ("measured", 2 * row.macs)
    assert row.target_accuracy is not None
    assert 0 < row.target_accuracy < 1
    others = [other for other in read_csv(done.run / "tradeoff.csv") if other != row and (other.processes or 0) > 1]
    assert all(other.upem is not None or other.reason for other in others), "which tells a baseline from them"


def test_it_lies_among_the_subnets_and_says_what_it_is(done: Done) -> None:
    row = baseline_row(done.run)
    path = done.run / "subnets" / f"{row.arch_id}-fp32-b1.onnx"
    assert path.stat().st_size == row.model_bytes
    about = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert (about["model"], about["widths"], about["method"]) == (NAME, row.widths, "standalone")
    assert json.loads(about["classes"]) == list("0123456789")


def test_terminal_page_and_json_tell_it_by_name(done: Done) -> None:
    assert done.told.code == 0
    (found,) = json.loads(done.told.out)["baselines"]
    assert (found["name"], found["arch_id"]) == (NAME, baseline_row(done.run).arch_id)
    assert found["arch_id"] in done.told.err
    assert "shufflenet_v2" in done.told.err, "in two lines where the terminal is narrow"
    page = (done.run / "report.html").read_text(encoding="utf-8")
    assert f"{NAME}</td>" in page
    assert f"subnets/{found['arch_id']}-fp32-b1.onnx" in page


def test_its_measurements_are_kept_with_the_run(done: Done) -> None:
    row = baseline_row(done.run)
    with sqlite3.connect(done.run / "measurements.sqlite") as connection:
        finalists = connection.execute("SELECT COUNT(*) FROM records WHERE kind = 'finalist'").fetchone()[0]
    measured = [r for r in read_csv(done.run / "tradeoff.csv") if r.processes and r.processes > 1]
    assert row in measured
    assert finalists == sum(r.processes or 0 for r in measured)


def test_a_search_again_neither_trains_nor_measures_it_again(
    runner: Runner, copied: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.baselines.adapting.train", lambda *_, **__: pytest.fail("trained again"))
    before = baseline_row(copied.run)
    for stage in (("adapt", "--resume"), ("search",)):
        again = runner(stage[0], "--run", copied.run, "--store", copied.store, *stage[1:])
        assert again.code == 0, again.err
    after = baseline_row(copied.run)
    assert (after.arch_id, after.host_p50_ms, after.macs) == (before.arch_id, before.host_p50_ms, before.macs)


def test_one_that_is_missing_is_trained_to_the_same_weights(runner: Runner, copied: Done) -> None:
    folder = copied.run / "baselines" / NAME
    assert {path.name for path in folder.iterdir()} == {"weights.safetensors", "baseline.json"}
    before = load_file(folder / "weights.safetensors")
    shutil.rmtree(folder)
    again = runner("adapt", "--run", copied.run, "--store", copied.store, "--resume")
    assert again.code == 0, again.err
    assert f"adapting {NAME}" in again.err
    told = " ".join(again.err.split())
    assert re.search(rf"{NAME}: \d+% of held-out source images are named rightly, too few", told)
    assert "adapting (slimda)" not in again.err
    after = load_file(folder / "weights.safetensors")
    assert all(value.equal(after[name]) for name, value in before.items())


def test_a_bank_that_starts_ahead_of_them_is_warned_of(runner: Runner, done: Done, tmp_path: Path) -> None:
    weights = done.run / "bank"
    adapted = runner("adapt", "--run", tmp_path / "run", "--baseline", NAME, "--weights", weights, *TINY_ADAPTATION)
    assert adapted.code == 0
    assert f"the bank starts from {weights}, the baselines from random weights" in adapted.err
    assert "the baselines from random weights" not in done.told.err


def test_one_that_diverges_costs_only_itself(runner: Runner, copied: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(copied.run / "baselines")

    def diverge(*_: object, **__: object) -> None:
        raise AdaptationDiverged("the loss is nan")

    monkeypatch.setattr("harness.baselines.adapting.train", diverge)
    adapted = runner("adapt", "--run", copied.run, "--store", copied.store, "--resume")
    assert (adapted.code, adapted.sentence) == (5, f"baseline {NAME}: the loss is nan")
    searched = runner("search", "--run", copied.run, "--store", copied.store)
    assert searched.code == 0, searched.err
    row = baseline_row(copied.run)
    assert (row.status, row.reason, row.host_p50_ms) == ("failed", "the loss is nan", None)
    assert any(row.selected == "yes" for row in read_csv(copied.run / "tradeoff.csv"))
    assert not (copied.run / "subnets" / f"{row.arch_id}-fp32-b1.onnx").exists()
    reported = runner("report", "--run", copied.run)
    assert reported.code == 0, reported.err
    assert f"{NAME} failed: the loss is nan" in reported.err


def test_one_that_cannot_be_brought_to_a_precision_is_a_failed_row_with_the_reason(
    runner: Runner, copied: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PrecisionError("the network cannot be brought to fp32: no such operator")

    monkeypatch.setattr("harness.baselines.on_device.write", refuse)
    searched = runner("search", "--run", copied.run, "--store", copied.store)
    assert searched.code == 5
    assert searched.sentence.startswith(f"baseline {NAME} on tiny: the network cannot be brought to fp32")
    row = baseline_row(copied.run)
    assert (row.status, row.agreement) == ("failed", None)
    assert any(row.selected == "yes" for row in read_csv(copied.run / "tradeoff.csv"))


@pytest.mark.parametrize(
    ("name", "words"), [("mobilenet_v9", "did you mean"), ("vgg11", "cannot take images of 16x16")]
)
def test_what_cannot_be_a_baseline_ends_the_run_before_anything_is_done(
    runner: Runner, tmp_path: Path, name: str, words: str
) -> None:
    refused = runner("--run", tmp_path / "run", "--baseline", name, *TINY_ADAPTATION)
    assert refused.code == 2
    assert words in refused.sentence
    assert not (tmp_path / "run" / "bank").exists()
