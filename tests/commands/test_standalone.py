"""`--method standalone` from end to end."""

from __future__ import annotations

import json
from pathlib import Path

from harness.bank import StandaloneBank, load_bank
from harness.report import read_csv
from harness.space import encode
from tests.runs import TINY_ADAPTATION, Runner


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
