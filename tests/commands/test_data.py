"""Data sets by name and image lists through the command line: a real run, and how each unusable input ends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.ablation import AblationError
from harness.ablation.tasks import check_task, load_task
from harness.data import DataError
from harness.report import read_csv
from tests.data.made import mnist, usps_bz2
from tests.runs import Runner

PACS = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
SHORT = (
    *(
        "--quick",
        "--source-iterations",
        "30",
        "--iterations",
        "5",
        "--train-batch-size",
        "14",
        "--profile-seconds",
        "1",
    ),
    *("--budgets", "1,1/8", "--image-size", "16", "--workers", "1"),
)


def coloured(folder: Path, brightness: float) -> None:
    """A class folder for every name, each of a colour of its own."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(PACS):
        (folder / name).mkdir(parents=True)
        colour = [150 * (label + 1 >> channel & 1) for channel in range(3)]
        for index in range(6):
            pixels = (rng.integers(0, 60, (20, 24, 3)) + colour) * brightness
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{index}.png")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PACS with two domains of a few images, as folders and with lists of paths from here; MNIST and USPS."""
    root = tmp_path_factory.mktemp("data")
    for domain, brightness in (("photo", 1.0), ("sketch", 0.5)):
        coloured(root / "pacs" / domain, brightness)
        files = sorted(path.relative_to(root) for path in (root / "pacs" / domain).glob("*/*"))
        lines = [f"{path.as_posix()} {PACS.index(path.parent.name)}" for path in files]
        (root / f"{domain}.txt").write_text("\n".join(lines))
    mnist(root / "mnist")
    usps_bz2(root / "usps")
    return root


@pytest.mark.parametrize("form", ["names", "lists"])
def test_a_run_adapts_and_reports_accuracy(runner: Runner, data: Path, tmp_path: Path, form: str) -> None:
    ends: tuple[object, ...]
    if form == "names":
        ends = ("--source", "pacs:photo", "--target", "pacs:sketch", "--data-root", data)
    else:
        ends = ("--source", data / "photo.txt", "--target", data / "sketch.txt")
    done = runner("--run", tmp_path / "run", "--store", tmp_path / "store", *ends, *SHORT)
    assert done.code == 0, done.err
    rows = read_csv(tmp_path / "run" / "tradeoff.csv")
    assert any(row.target_accuracy is not None for row in rows)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    expected = "pacs:photo to pacs:sketch" if form == "names" else "photo.txt to sketch.txt"
    assert record["data"]["name"] == expected


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        (("pacs:photo", "pacs:cartoon"), "pacs:cartoon was not found"),
        (("pacs:photo", "office31:amazon"), "office31:amazon was not found"),
        (("svhn", "mnist"), "svhn was not found: train_32x32.mat and test_32x32.mat in .*svhn were expected"),
        (("pacs:photo", "nowhere"), "nowhere does not exist as an image folder or image list"),
        (("mnist", "pacs:photo"), "differ: only in the source 0, 1"),
    ],
)
def test_what_cannot_be_used_ends_in_one_sentence_and_exit_code_2(
    runner: Runner, data: Path, tmp_path: Path, ends: tuple[str, str], message: str
) -> None:
    source, target = ends
    done = runner("--run", tmp_path / "run", "--source", source, "--target", target, "--data-root", data)
    assert done.code == 2
    assert re.search(message, done.sentence)


def test_names_without_a_data_root_are_told(runner: Runner, tmp_path: Path) -> None:
    done = runner("--run", tmp_path / "run", "--source", "mnist", "--target", "usps")
    assert done.code == 2
    assert "--data-root is needed for mnist to usps" in done.sentence


def test_a_pair_of_names_is_a_task_of_the_ablation(data: Path) -> None:
    check_task("office31:amazon->office31:webcam")
    domains, held_out = load_task("mnist->usps", 0, data)
    assert domains.name == "mnist to usps"
    assert domains.target.shape == (30, 1, 28, 28)
    assert len(held_out.labels) == 15


@pytest.mark.parametrize("task", ["nonsense", "mnist", "mnist->", "mnist->./folder", "mnist->usps->svhn"])
def test_other_tasks_are_refused_before_anything_is_trained(task: str) -> None:
    with pytest.raises(AblationError, match="unknown task"):
        check_task(task)


def test_a_task_with_an_unknown_domain_is_told_with_the_known_ones() -> None:
    with pytest.raises(DataError, match="office31:amazon, office31:dslr"):
        check_task("office31:phone->office31:webcam")
