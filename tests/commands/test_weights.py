"""--weights at the command line: what a run starts from, keeps and says, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from harness.bank import create_bank, load_bank, save_bank
from tests.runs import Runner

UNTRAINED = ("--source-iterations", "0", "--iterations", "0")


def test_a_run_starts_from_a_bank_and_keeps_where_it_came_from(runner: Runner, quick_run: Path, tmp_path: Path) -> None:
    run, store = tmp_path / "run", quick_run.parent / "store.sqlite"
    done = runner("adapt", "--run", run, "--store", store, "--weights", quick_run / "bank", *UNTRAINED)
    assert done.code == 0, done.err
    assert f"starting from the bank in {quick_run / 'bank'}" in " ".join(done.err.split())
    (given, _), (found, about) = load_bank(quick_run / "bank"), load_bank(run / "bank")
    assert all(torch.equal(value, found.state_dict()[name]) for name, value in given.state_dict().items())
    record = json.loads((run / "run.json").read_text())
    assert record["arguments"]["weights"] == record["weights"]["source"] == str(quick_run / "bank")
    assert about["weights"] == record["weights"]
    assert len(record["weights"]["sha256"]) == 64


def test_a_finished_run_goes_on_without_the_weights_that_it_began_with(
    runner: Runner, quick_run: Path, tmp_path: Path
) -> None:
    bank, run, store = tmp_path / "given", tmp_path / "run", quick_run.parent / "store.sqlite"
    save_bank(load_bank(quick_run / "bank")[0], bank, {})
    assert runner("adapt", "--run", run, "--store", store, "--weights", bank, *UNTRAINED).code == 0
    (bank / "bank.json").unlink()
    assert runner("adapt", "--run", run, "--store", store, "--resume").code == 0


def test_weights_that_changed_since_a_run_began_are_refused(runner: Runner, quick_run: Path, tmp_path: Path) -> None:
    bank, run, store = tmp_path / "given", tmp_path / "run", quick_run.parent / "store.sqlite"
    save_bank(load_bank(quick_run / "bank")[0], bank, {})
    assert runner("adapt", "--run", run, "--store", store, "--weights", bank, *UNTRAINED).code == 0
    (run / "bank" / "bank.json").unlink()
    save_bank(create_bank("resnet8", tuple("0123456789"), (1, 16, 16), seed=7), bank, {})
    done = runner("adapt", "--run", run, "--store", store, "--resume")
    assert done.code == 2
    assert "is no longer what the run in" in done.sentence


@pytest.mark.parametrize("weights", ["missing.pth", "missing"])
def test_weights_are_read_before_any_device_is_reached(runner: Runner, tmp_path: Path, weights: str) -> None:
    done = runner("--run", tmp_path / "run", "--device", "jetson", "--weights", tmp_path / weights)
    assert done.code == 2
    assert "there is no weights file" in done.sentence
    assert "Traceback" not in done.err


def test_imagenet_weights_without_a_network_end_in_one_sentence(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    done = runner("--run", tmp_path / "run", "--model", "resnet18", "--weights", "imagenet")
    assert done.code == 2
    assert "--weights FILE" in done.sentence
    assert "Traceback" not in done.err
