"""Target labels reach the ablation's report and nothing that is trained, scored or chosen."""

from pathlib import Path

import pytest

from harness.ablation.measured import Subject, searched, upem_every_way
from harness.ablation.parts import UpemPart
from harness.ablation.plan import Plan
from harness.ablation.training import adapted_bank
from harness.ablation.variants import variant
from harness.data import TargetLabels, load_digits
from tests.ablation.plans import TINY, plan
from tests.sources import ROOT, tree
from tests.test_label_guard import names

SLIMDA = variant("slimda")


def measured(folder: Path, held_out: TargetLabels) -> tuple[Plan, Subject]:
    asked = plan(folder, "search")
    return asked, Subject(asked, "digits", SLIMDA, SLIMDA.settings(TINY, 0), load_digits(0)[0], held_out)


@pytest.fixture
def wrong() -> TargetLabels:
    held_out = load_digits(0)[1]
    return TargetLabels(held_out.images, (held_out.labels + 1) % 10)


def test_with_wrong_labels_the_same_is_found_and_scored(tmp_path: Path, wrong: TargetLabels) -> None:
    _, right = measured(tmp_path, load_digits(0)[1])
    _, mislabelled = measured(tmp_path, wrong)
    found = [
        [one.model_dump(exclude={"accuracy"}) for one in searched(subject).found] for subject in (right, mislabelled)
    ]
    assert found[0] == found[1]
    parts: list[UpemPart] = [upem_every_way(subject) for subject in (right, mislabelled)]
    scores = [[one.model_dump(exclude={"accuracy"}) for one in part.scored] for part in parts]
    assert scores[0] == scores[1]
    assert [one.accuracy for one in parts[0].scored] != [one.accuracy for one in parts[1].scored]


def test_training_takes_no_labels(tmp_path: Path) -> None:
    asked = plan(tmp_path)
    bank, losses = adapted_bank(asked, "digits", 0, SLIMDA, load_digits(0)[0])
    assert bank.spec.head == "adapted"
    assert len(losses) == TINY.adaptation_iterations
    for module in ("training", "variants", "experiments", "budgets", "plan"):
        known = set(names(tree_of(module)))
        assert not known & {"TargetLabels", "held_out", "load_task", "target_accuracy"}, module


def tree_of(module: str) -> Path:
    path = ROOT / "harness" / "ablation" / f"{module}.py"
    assert tree(path)
    return path
