"""Variants that come to the same settings are one training; unknown names are told."""

from pathlib import Path
from typing import get_type_hints

import pytest

from harness.ablation import EXPERIMENTS, AblationError, chosen_experiments, chosen_methods
from harness.ablation.variants import variant
from harness.adaptation import METHODS, AdaptationSettings
from harness.commands.ablation import ExperimentOptions
from tests.ablation.plans import TINY, plan
from tests.sources import ROOT

BASE = AdaptationSettings()


def test_methods_come_in_the_ladders_order_and_unknown_ones_are_named() -> None:
    assert chosen_methods(None) == METHODS
    assert chosen_methods(["slimda", "symnet"]) == ("symnet", "slimda")
    with pytest.raises(AblationError, match="nonsense"):
        chosen_methods(["nonsense"])


def test_methods_restrict_the_ladder_and_no_other_experiment() -> None:
    ladder, heads = chosen_experiments(["ladder", "heads"], ["symnet"])
    assert [one.method for one in ladder.variants] == ["symnet"]
    assert heads == EXPERIMENTS["heads"]
    with pytest.raises(AblationError, match="not among --experiments"):
        chosen_experiments(["heads"], ["symnet"])


def test_the_help_and_the_page_name_every_experiment() -> None:
    option = get_type_hints(ExperimentOptions, include_extras=True)["experiments"].__metadata__[0]
    assert option.help.rstrip(".").split(", ") == list(EXPERIMENTS)
    assert f"--experiments {','.join(EXPERIMENTS)}`" in (ROOT / "docs" / "method.md").read_text(encoding="utf-8")


def test_unknown_experiments_are_named() -> None:
    with pytest.raises(AblationError, match="unknown experiment nonsense"):
        chosen_experiments(["ladder", "nonsense"])


def test_an_override_that_says_what_the_base_says_is_no_other_training() -> None:
    assert variant("x", confidence="capacity").cell(BASE) == "slimda"
    assert variant("x", confidence="uniform").cell(BASE) == "slimda-confidence=uniform"
    assert variant("x", confidence="uniform").cell(BASE.model_copy(update={"confidence": "uniform"})) == "slimda"


def test_another_head_is_another_cell_of_the_same_training() -> None:
    other = variant("x", head="target")
    assert (other.training(BASE), other.cell(BASE)) == ("slimda", "slimda-head=target")
    assert variant("x", "symnet", head="target").cell(BASE) == "symnet"


def test_a_variant_overrides_what_it_names_and_nothing_else() -> None:
    settings = variant("x", "seed", temperature=1.0).settings(TINY, 3)
    assert settings == TINY.model_copy(update={"method": "seed", "temperature": 1.0, "seed": 3})


def test_experiments_share_the_cells_that_they_have_in_common(tmp_path: Path) -> None:
    asked = plan(tmp_path, "ladder", "confidence", "temperature", "heads", settings=BASE)
    cells = [one.cell(BASE) for one, part in asked.wanted if part == "accuracy"]
    assert len(cells) == len(set(cells)) == 6 + 2 + 2 + 10
    assert cells.count("slimda") == 1


def test_labels_are_distinct_and_the_reference_is_one_of_them() -> None:
    for experiment in EXPERIMENTS.values():
        labels = [one.label for one in experiment.variants]
        assert len(labels) == len(set(labels))
        assert experiment.reference is None or experiment.reference in labels


def test_every_variant_of_every_experiment_has_valid_settings() -> None:
    for experiment in EXPERIMENTS.values():
        for one in experiment.variants:
            assert one.settings(BASE, 0).method == one.method
