"""How everything but wrong usage fails: budgets, devices, adaptation, and faults of our own."""

from __future__ import annotations

import fcntl
import functools
import json
import time
from pathlib import Path

import pytest

from devices import DeviceError, connect
from tests.runs import TINY_ADAPTATION, Runner, assert_one_sentence, selected


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
