"""The ablation's tables say what the outcomes say, paired by seed."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from harness.report.ablation import SOURCE_STATISTICS, Outcome, Scored, accuracies, draw_ablation, write_ablation

ACCURACY = {
    "slimda": {("1", 0): 0.90, ("1", 1): 0.94, ("1", 2): 0.89, ("1/64", 0): 0.80, ("1/64", 1): 0.84, ("1/64", 2): 0.79},
    "symnet": {("1", 0): 0.88, ("1", 1): 0.91, ("1", 2): 0.88, ("1/64", 0): 0.60, ("1/64", 1): 0.70, ("1/64", 2): 0.63},
}


def outcomes() -> list[Outcome]:
    return [
        Outcome(task="t", method=m, seed=seed, budget=b, widths="4-4", compute_fraction=1.0, accuracy=value)
        for m, values in ACCURACY.items()
        for (b, seed), value in values.items()
    ]


def scored(seed: int) -> list[tuple[str, int, Scored]]:
    rng = np.random.default_rng(seed)
    found = []
    for budget, macs in (("1/2", 1000), ("1/8", 100)):
        for upem in rng.uniform(0.1, 0.5, 8):
            accuracy = float(0.9 - upem + rng.normal(0, 0.02))
            one = Scored(
                budget=budget, widths="4-4", macs=int(macs * rng.uniform(0.8, 1.0)), upem=upem,
                upem_sharpened=upem / 2, accuracy=accuracy,
            )  # fmt: skip
            found.append(("t", seed, one))
    return found


def test_gains_are_paired_by_seed_with_a_t_interval_over_seeds() -> None:
    found = accuracies(outcomes()).difference("t", "slimda", "symnet", "1/64")
    differences = [100 * (ACCURACY["slimda"]["1/64", s] - ACCURACY["symnet"]["1/64", s]) for s in range(3)]
    low, high = stats.t.interval(0.95, 2, loc=np.mean(differences), scale=stats.sem(differences))
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(differences), low, high))


def test_a_gain_counts_only_seeds_that_both_methods_have() -> None:
    some = [o for o in outcomes() if not (o.method == "symnet" and o.seed == 2)]
    found = accuracies(some).difference("t", "slimda", "symnet", "1")
    assert found is not None
    assert found.mean == pytest.approx(100 * ((0.90 - 0.88) + (0.94 - 0.91)) / 2)


def test_one_seed_has_no_interval_and_an_absent_method_no_figure() -> None:
    one = accuracies([o for o in outcomes() if o.seed == 0])
    estimate = one.mean("t", "slimda", "1")
    assert estimate is not None
    assert np.isnan(estimate.low)
    assert one.mean("t", "seed", "1") is None
    assert one.difference("t", "slimda", "seed", "1") is None


def test_files_hold_every_outcome_and_the_markdown_every_method_budget_and_seed(tmp_path: Path) -> None:
    text = write_ablation(outcomes(), [*scored(0), *scored(1)], tmp_path, ["a note"])
    assert text == (tmp_path / "ablation.md").read_text()
    for part in (
        "slimda",
        "symnet",
        "1/64",
        "over symnet",
        "a note",
        "sharpened",
        "| 1 | plain | 1/8 | 8 |",
        "| plain | all |",
    ):
        assert part in text
    with (tmp_path / "ablation.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(outcomes())
    with (tmp_path / "upem.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 32
    assert (tmp_path / "ablation.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_has_a_line_for_every_method() -> None:
    source = [o.model_copy(update={"method": SOURCE_STATISTICS}) for o in outcomes() if o.method == "symnet"]
    figure = draw_ablation(accuracies([*source, *outcomes()]))
    labels = {text.get_text() for text in figure.axes[0].get_legend().get_texts()}  # type: ignore[union-attr]
    assert labels == {"slimda", "symnet", SOURCE_STATISTICS}


@pytest.mark.parametrize(("tasks", "columns"), [(1, 1), (3, 3), (4, 2), (5, 3), (7, 3)])
def test_the_picture_of_many_tasks_has_at_most_three_panels_beside_each_other(tasks: int, columns: int) -> None:
    names = [f"task {number}" for number in range(tasks)]
    figure = draw_ablation(accuracies([o.model_copy(update={"task": task}) for task in names for o in outcomes()]))
    assert [panel.get_title() for panel in figure.axes if panel.axison] == names
    assert len({round(panel.get_position().x0, 2) for panel in figure.axes}) == columns


def test_correlations_are_averaged_over_seeds_as_fishers_z(tmp_path: Path) -> None:
    lines = [*scored(0), *scored(1), *scored(2)]
    text = write_ablation(outcomes(), lines, tmp_path, [])
    z = []
    for seed in range(3):
        own = [s for _, other, s in lines if other == seed and s.budget == "1/8"]
        z.append(np.arctanh(stats.pearsonr([s.upem for s in own], [s.accuracy for s in own]).statistic))
    low, high = stats.t.interval(0.95, 2, loc=np.mean(z), scale=stats.sem(z))
    expected = f"{np.tanh(np.mean(z)):.2f} [{np.tanh(low):.2f}, {np.tanh(high):.2f}]"
    assert f"| plain | 1/8 | {expected} |" in text


@pytest.mark.filterwarnings("error")
def test_seeds_that_do_not_differ_have_an_interval_of_no_width() -> None:
    alike = [
        o.model_copy(update={"method": name, "seed": s, "accuracy": 0.9})
        for o in outcomes()[:1]
        for s in range(3)
        for name in ("a", "b")
    ]
    values = accuracies(alike)
    assert format(values.difference(alike[0].task, "a", "b", alike[0].budget), ".1f") == "0.0 [0.0, 0.0]"
    assert format(values.mean(alike[0].task, "a", alike[0].budget), ".1f") == "90.0 [90.0, 90.0]"


def test_a_single_seed_is_written_without_an_interval(tmp_path: Path) -> None:
    text = write_ablation([o for o in outcomes() if o.seed == 0], [], tmp_path, [])
    assert "| slimda | 90.0 | 80.0 |" in text
    assert "| over symnet | 2.0 | 20.0 |" in text
    assert "nan" not in text
