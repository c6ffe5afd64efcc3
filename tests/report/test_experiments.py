"""The experiments' tables say what was measured: paired by seed, within budgets, over the iterations."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from harness.report.ablation import (
    UPEM_FORMS,
    CheckpointAccuracy,
    Course,
    FoundSubnet,
    Outcome,
    ScoredEveryWay,
    Sheet,
    write_convergence,
    write_search,
    write_upem,
    write_variants,
)
from harness.report.ablation.convergence import averaged


@pytest.fixture
def sheet(tmp_path: Path) -> Sheet:
    return Sheet(tmp_path, "x", "Something", 3, ("a note",))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def scored(seed: int, count: int = 8) -> list[tuple[str, int, ScoredEveryWay]]:
    rng = np.random.default_rng(seed)
    return [
        (
            "t",
            seed,
            ScoredEveryWay(
                budget=budget,
                widths="4-4",
                macs=int(rng.uniform(0.7, 1) * macs),
                accuracy=float(rng.uniform()),
                upem={str(form): float(rng.uniform(0.1, 1)) for form in UPEM_FORMS},
            ),
        )
        for budget, macs in (("1/2", 1000), ("1/8", 250))
        for _ in range(count)
    ]


def found(strategy: str, seed: int, upem: float, accuracy: float) -> tuple[str, int, FoundSubnet]:
    one = FoundSubnet(
        strategy=strategy,
        budget="1/8",
        widths="4-4",
        compute_fraction=0.12,
        upem=upem,
        accuracy=accuracy,
        evaluations=9,
    )
    return "t", seed, one


def test_variants_are_held_against_the_reference_paired_by_seed(sheet: Sheet) -> None:
    outcomes = [
        Outcome(task="t", method=label, seed=seed, budget="1", widths="4", compute_fraction=1.0, accuracy=a)
        for label, values in (("m = 2", (0.90, 0.92, 0.88)), ("m = 4", (0.80, 0.85, 0.84)))
        for seed, a in enumerate(values)
    ]
    text = write_variants(sheet, outcomes, "m = 4")
    gains = [10.0, 7.0, 4.0]
    low, high = stats.t.interval(0.95, 2, loc=7.0, scale=stats.sem(gains))
    assert f"| m = 2 | 7.0 [{low:.1f}, {high:.1f}] |" in text
    assert "| m = 4 | 7" not in text
    assert text.startswith("# Something, 3 seeds\n- a note\n")
    assert {row["variant"] for row in rows(sheet.folder / "x.csv")} == {"m = 2", "m = 4"}


def test_correlations_are_those_of_each_bank_and_budget(sheet: Sheet) -> None:
    lines = [*scored(0), *scored(1)]
    text = write_upem(sheet, lines)
    told = rows(sheet.folder / "x-correlations.csv")
    assert len(told) == 2 * 12 * 3
    (row,) = [r for r in told if (r["seed"], r["upem"], r["budget"]) == ("1", "l1-T0.5-ensemble", "1/8")]
    own = [s for _, seed, s in lines if seed == 1 and s.budget == "1/8"]
    upem, accuracy = [s.upem["l1-T0.5-ensemble"] for s in own], [s.accuracy for s in own]
    assert float(row["pearson"]) == pytest.approx(stats.pearsonr(upem, accuracy).statistic)
    assert float(row["spearman"]) == pytest.approx(stats.spearmanr(upem, accuracy).statistic)
    assert row["architectures"] == "8"
    assert "8 at 1/2, 8 at 1/8, 16 at all" in text
    assert len(rows(sheet.folder / "x.csv")) == 32


def test_a_single_bank_has_its_own_interval(sheet: Sheet) -> None:
    lines = scored(0)
    own = [s for _, _, s in lines if s.budget == "1/2"]
    expected = stats.pearsonr([s.upem["l2-plain-full"] for s in own], [s.accuracy for s in own])
    low, high = expected.confidence_interval(0.95)
    assert f"| l2-plain-full | {expected.statistic:.2f} [{low:.2f}, {high:.2f}] |" in write_upem(sheet, lines)


def test_a_budget_with_too_few_architectures_and_the_anchor_tell_nothing(sheet: Sheet) -> None:
    lines = [*scored(0), *scored(0, count=2)[2:]]
    anchor = lines[0][2]
    few = [("t", 0, s.model_copy(update={"budget": "1/64"})) for _, _, s in lines[-2:]]
    zero = ("t", 0, anchor.model_copy(update={"upem": dict.fromkeys(anchor.upem, 0.0)}))
    write_upem(sheet, [*lines[:-2], *few, zero])
    told = rows(sheet.folder / "x-correlations.csv")
    assert {(row["budget"], row["architectures"]) for row in told} == {("1/2", "8"), ("1/8", "8"), ("all", "16")}


def test_accuracy_that_does_not_vary_has_no_correlation_rather_than_zero(sheet: Sheet) -> None:
    same = [(task, seed, s.model_copy(update={"accuracy": 0.5})) for task, seed, s in scored(0)]
    text = write_upem(sheet, same)
    assert "nan" not in text
    assert {row["pearson"] for row in rows(sheet.folder / "x-correlations.csv")} == {""}


def test_searches_are_held_against_uniform_widths(sheet: Sheet) -> None:
    lines = [
        one
        for seed, better in enumerate((0.02, 0.03))
        for one in (found("uniform", seed, 0.2, 0.8), found("greedy", seed, 0.2 - better, 0.82 + better))
    ]
    text = write_search(sheet, lines)
    assert "| greedy - uniform | -0.0250 [" in text
    assert "| greedy - uniform | 4.5 [" in text
    assert [row["strategy"] for row in rows(sheet.folder / "x.csv")] == ["uniform", "greedy"] * 2


def test_convergence_has_a_column_for_every_checkpoint_and_the_mean_loss_of_every_part(sheet: Sheet) -> None:
    points = [CheckpointAccuracy(iteration=i, budget="1", accuracy=0.5 + i / 1000) for i in (0, 50, 100)]
    text = write_convergence(sheet, [Course("t", 0, "slimda", [float(i) for i in range(100)], points)])
    assert "| variant, budget | 0 | 50 | 100 |" in text
    assert "| slimda, 1 | 50.0 | 55.0 | 60.0 |" in text
    losses = rows(sheet.folder / "x-losses.csv")
    assert len(losses) == 50
    assert (losses[-1]["until_iteration"], losses[-1]["mean_loss"]) == ("100", "98.5")
    assert (sheet.folder / "x.png").read_bytes().startswith(b"\x89PNG")


def test_few_losses_are_left_as_they_are_and_none_are_none() -> None:
    assert list(averaged([3.0, 2.0])) == [(1, 3.0), (2, 2.0)]
    assert list(averaged([])) == []
