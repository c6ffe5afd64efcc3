"""The command line under torchrun: rank 0 writes and speaks, and a process that fails ends all with one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.bank import load_bank
from tests.runs import TINY_ADAPTATION
from tests.torchrun import torchrun

PRETRAIN = ("pretrain", "--iterations", "8", "--train-batch-size", "16", "--model-batch", "2")

FAILING = """
import os, sys
import benchmark
from harness.adaptation import training

step = training._step

def failing(training_, optimiser, team, index, *batch):
    if index == 3 and os.environ["RANK"] == os.environ["FAILS"]:
        raise MemoryError("no memory is left")
    return step(training_, optimiser, team, index, *batch)

training._step = failing
benchmark.app()
"""


def errors(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("error:")]


def test_the_whole_pipeline(tmp_path: Path, tiny: Path, own_cache: Path) -> None:
    run = tmp_path / "run"
    asked = ("--run", run, "--store", tmp_path / "store", "--device", tiny, "--baseline", "shufflenet_v2_x0_5")
    done = torchrun(2, "benchmark.py", *asked, "--json", *TINY_ADAPTATION)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("exit_code") == 1
    (baseline,) = json.loads(done.stdout)["baselines"]
    assert baseline["status"] != "failed"
    assert len(json.loads(done.stdout)["selected"]) == 3
    assert done.stderr.count("run folder:") == 1
    assert errors(done.stderr) == []
    assert {path.name for path in (run / "bank").iterdir()} == {
        "weights.safetensors",
        "bank.json",
        "checkpoint.safetensors",
    }
    assert (run / "report.html").is_file()


def test_pretraining_is_told_once(tmp_path: Path, own_cache: Path) -> None:
    done = torchrun(2, "benchmark.py", *PRETRAIN, "--run", tmp_path / "run", "--learning-rate", "0.02")
    if done.returncode:
        assert "adaptation left nothing usable" in done.stderr  # eight steps are few
        assert len(errors(done.stderr)) == 1
    assert done.stderr.count("the bank is in") == 1
    load_bank(tmp_path / "run" / "bank")


def test_divergence_is_one_sentence(tmp_path: Path, own_cache: Path) -> None:
    done = torchrun(2, "benchmark.py", *PRETRAIN, "--run", tmp_path / "run", "--learning-rate", "1e30")
    assert done.returncode != 0
    (told,) = errors(done.stderr)
    assert "adaptation diverged" in told


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_process_that_fails_in_the_middle_of_training_ends_all_with_one_sentence(
    rank: str, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "failing.py"
    script.write_text(FAILING, encoding="utf-8")
    monkeypatch.setenv("FAILS", rank)
    done = torchrun(2, script, *PRETRAIN, "--run", tmp_path / "run")
    assert done.returncode != 0
    (told,) = errors(done.stderr)
    assert "no memory is left" in told
    assert not (tmp_path / "run" / "bank" / "bank.json").exists()
