"""The ladder end to end, tiny, on real digits: cells are kept, resumed, and never trained twice."""

from pathlib import Path

import pytest

from harness import ablation
from harness.ablation import AblationError, Plan, budget_architectures, chosen_methods, run_ablation, share
from harness.adaptation import METHODS, AdaptationSettings
from harness.bank import create_bank
from harness.costs import ComplexityCounter

TINY = AdaptationSettings(source_iterations=2, adaptation_iterations=2, batch_size=16, model_batch=3)


def plan(folder: Path, **changes: object) -> Plan:
    values = {
        "tasks": ("digits",),
        "methods": ("source-only", "symnet"),
        "seeds": (0,),
        "settings": TINY,
        "data_root": None,
        "folder": folder,
    }
    return Plan(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ablation")
    run_ablation(plan(folder), 1, lambda done, total: None)
    return folder


def test_every_cell_has_every_budget_and_source_only_both_statistics(finished: Path) -> None:
    cells = run_ablation(plan(finished), 1, lambda done, total: None)
    assert [cell.settings.method for cell in cells] == ["source-only", "symnet"]
    assert [len(cell.outcomes) for cell in cells] == [14, 7]
    assert all(0.0 <= outcome.accuracy <= 1.0 for cell in cells for outcome in cell.outcomes)
    text = ablation.write_cells(plan(finished), cells)
    assert "source-only (source statistics)" in text


def test_standalone_trains_a_network_for_every_budget(tmp_path: Path) -> None:
    (cell,) = run_ablation(plan(tmp_path, methods=("standalone",)), 1, lambda done, total: None)
    assert [outcome.budget for outcome in cell.outcomes] == list(ablation.BUDGETS)
    assert len({outcome.widths for outcome in cell.outcomes}) == len(ablation.BUDGETS)


def test_what_is_finished_is_not_trained_again(finished: Path) -> None:
    times = {path: path.stat().st_mtime_ns for path in finished.rglob("*.json")}
    run_ablation(plan(finished), 1, lambda done, total: None)
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*.json")} == times


def test_cells_of_other_settings_are_refused(finished: Path) -> None:
    other = plan(finished, settings=TINY.model_copy(update={"temperature": 1.0}))
    with pytest.raises(AblationError, match="other settings"):
        run_ablation(other, 1, lambda done, total: None)


def test_a_damaged_cell_is_named(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "digits-seed0-symnet.json").write_text("{}")
    with pytest.raises(AblationError, match="digits-seed0-symnet"):
        run_ablation(plan(tmp_path, methods=("symnet",)), 1, lambda done, total: None)


def test_compared_subnets_are_within_their_budgets_and_near_them() -> None:
    bank = create_bank("resnet8", tuple("0123456789"), (1, 16, 16))
    counter = ComplexityCounter(bank)
    for label, arch in budget_architectures(bank).items():
        assert 0.75 * share(label) <= counter.compute_fraction(arch) <= share(label)


def test_methods_come_in_the_ladders_order_and_unknown_ones_are_named() -> None:
    assert chosen_methods(None) == METHODS
    assert chosen_methods(["slimda", "symnet"]) == ("symnet", "slimda")
    with pytest.raises(AblationError, match="nonsense"):
        chosen_methods(["nonsense"])


def test_unknown_tasks_and_missing_data_are_told(tmp_path: Path) -> None:
    with pytest.raises(AblationError, match="unknown task 'nonsense'"):
        run_ablation(plan(tmp_path, tasks=("nonsense",)), 1, lambda done, total: None)
    with pytest.raises(AblationError, match="--data-root"):
        ablation.load_task("mnist-usps", 0, None)
