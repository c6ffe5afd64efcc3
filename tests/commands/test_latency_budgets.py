"""`--latency-ms`: answered by what was measured, alone and beside other budgets."""

from __future__ import annotations

import math
from pathlib import Path

from harness.report import read_csv
from tests.runs import TINY_ADAPTATION, Runner, selected


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
