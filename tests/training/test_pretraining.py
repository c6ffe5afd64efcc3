"""`pretrain` as a user meets it: a bank from labelled images, what it leaves, how it fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from harness.adaptation.batches import step_batches
from harness.bank import create_bank, load_bank
from harness.data import Preprocessing, load_digits, load_source
from harness.data.catalogue import CIFAR10_CLASSES
from harness.data.reading import read_resized
from harness.running import RunError
from harness.training.pretraining import at_length, own_target, pretraining_from
from tests.runs import Result, run_here

SHORT = ("pretrain", "--iterations", "40", "--train-batch-size", "32", "--model-batch", "3")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> tuple[Path, Result]:
    run = tmp_path_factory.mktemp("pretrained") / "run"
    return run, run_here(*SHORT, "--run", run, "--json")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two classes, a bright lower and a bright upper half: mirroring leaves them what they are."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(("upper", "lower")):
        (tmp_path / "photographs" / name).mkdir(parents=True)
        for index in range(15):
            pixels = rng.integers(0, 60, (20, 20, 3), np.uint8)
            pixels[10 * label : 10 * label + 10] += 150
            Image.fromarray(pixels).save(tmp_path / "photographs" / name / f"{index}.png")
    return tmp_path / "photographs"


def test_leaves_a_bank_that_names_held_out_source_images(pretrained: tuple[Path, Result]) -> None:
    run, done = pretrained
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert set(told["source_accuracy"]) == {"1", "1/4", "1/16", "1/64"}
    assert told["source_accuracy"]["1"] > 0.4  # a tenth is chance
    assert "held-out source accuracy by share of the multiply-adds" in done.err
    assert f"the bank is in {run / 'bank'}" in done.err
    bank, about = load_bank(run / "bank")
    assert about["source_accuracy"] == told["source_accuracy"]
    assert about["adaptation"]["source_iterations"] == 40
    assert about["digest"] == load_digits(0)[0].digest
    assert bank.spec.model == "resnet8"
    assert bank.spec.head == "source"
    assert all(bool(value.isfinite().all()) for value in bank.state_dict().values())


def test_a_bank_that_fails_the_check_is_kept_and_told_with_exit_code_5(tmp_path: Path, own_cache: Path) -> None:
    for options in (("--iterations", "1", "--learning-rate", "1e-9"), ("--resume",)):
        done = run_here("pretrain", "--run", tmp_path / "run", *options)
        assert done.code == 5
        assert "nothing usable: of the largest subnet, it names only" in done.sentence
    assert set(load_bank(tmp_path / "run" / "bank")[1]["source_accuracy"]) == {"1", "1/4", "1/16", "1/64"}


def test_starts_from_weights_and_says_so(pretrained: tuple[Path, Result], tmp_path: Path) -> None:
    given, run = pretrained[0] / "bank", tmp_path / "run"
    done = run_here("pretrain", "--iterations", "1", "--weights", given, "--run", run)
    assert done.code == 0, done.err
    assert "the heads start as its own" in done.err
    assert load_bank(run / "bank")[1]["weights"]["source"] == str(given)


def test_a_finished_one_is_not_trained_again(pretrained: tuple[Path, Result]) -> None:
    run, _ = pretrained
    before = (run / "bank" / "weights.safetensors").stat().st_mtime_ns
    done = run_here("pretrain", "--run", run, "--resume")
    assert done.code == 0, done.err
    assert "is finished" in done.err
    assert (run / "bank" / "weights.safetensors").stat().st_mtime_ns == before


def test_is_not_resumed_as_something_else(pretrained: tuple[Path, Result]) -> None:
    done = run_here("--run", pretrained[0], "--resume")
    assert done.code == 2
    assert "holds a pretraining, not an adaptation" in done.sentence


def test_image_folders_for_some_epochs(photographs: Path, tmp_path: Path, own_cache: Path) -> None:
    run = tmp_path / "run"
    options = ("--image-size", "16", "--epochs", "6", "--train-batch-size", "8", "--model-batch", "2")
    done = run_here("pretrain", "--source", photographs, "--run", run, *options)
    assert done.code == 0, done.err
    bank, about = load_bank(run / "bank")
    assert bank.spec.classes == ("lower", "upper")
    assert about["adaptation"]["source_iterations"] == 18  # six times the 24 images that are not held out, by eights
    assert about["source_accuracy"]["1"] > 0.7


def test_a_named_set_is_pretrained_on_all_of_its_training_images(tmp_path: Path, own_cache: Path) -> None:
    for label, name in enumerate(CIFAR10_CLASSES):
        for part, count in (("train", 8), ("test", 2)):
            (tmp_path / "cifar10" / part / name).mkdir(parents=True)
            for index in range(count):
                image = Image.new("HSV", (32, 32), (25 * label, 255, 180 + 8 * index)).convert("RGB")
                image.save(tmp_path / "cifar10" / part / name / f"{index}.png")
    run, named = tmp_path / "run", ("--source", "cifar10", "--data-root", tmp_path)
    options = ("--epochs", "6", "--train-batch-size", "16", "--model-batch", "2")
    done = run_here("pretrain", *named, "--run", run, *options)
    assert done.code == 0, done.err
    bank, about = load_bank(run / "bank")
    assert bank.spec.classes == CIFAR10_CLASSES
    assert bank.spec.input_shape == (3, 32, 32)
    assert about["adaptation"]["source_iterations"] == 30  # six times the 80 training images, by sixteens


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--iterations", "5", "--epochs", "1"), "--iterations and --epochs both say how long"),
        (("--epochs", "0"), "--epochs: Input should be greater than 0"),
        (("--source", "nowhere"), "nowhere does not exist"),
        (("--source", "cifar10"), "--data-root is needed for cifar10"),
        (("--train-device", "tpu"), "--train-device: Input should be 'auto', 'cpu' or 'cuda'"),
        (("--model", "resnet51"), "unknown model 'resnet51'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    options: tuple[str, ...], words: str, tmp_path: Path, own_cache: Path
) -> None:
    done = run_here("pretrain", "--run", tmp_path / "run", *options)
    assert done.code == 2
    assert words in done.sentence
    assert "Traceback" not in done.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_noticed_before_training(tmp_path: Path, own_cache: Path) -> None:
    done = run_here("pretrain", "--run", tmp_path / "run", "--train-device", "cuda")
    assert done.code == 2
    assert "PyTorch finds no GPU here" in done.sentence
    assert not (tmp_path / "run").exists()


def test_tensorboard_that_is_missing_is_noticed_before_training(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    done = run_here("pretrain", "--run", tmp_path / "run", "--tensorboard", *SHORT[1:])
    assert done.code == 2
    assert "pip install 'slimda-edge[tensorboard]'" in done.sentence
    assert not (tmp_path / "run").exists()


def test_tensorboard_gets_the_loss_of_every_step(tmp_path: Path, own_cache: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is an extra")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    assert run_here(*SHORT, "--run", run, "--tensorboard").code == 0
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    losses = events.Scalars("loss")
    assert [event.step for event in losses] == list(range(1, 41))
    assert losses[-1].value < losses[0].value
    assert "learning rate" in events.Tags()["scalars"]


def test_the_target_of_a_pretraining_is_the_sources_training_images() -> None:
    domains, _ = load_digits(0, source_count=100, check_count=20)
    own = own_target(domains)
    assert not torch.equal(own.target[:], domains.source.images[:])
    ordered = [images[:].flatten(1).sum(1).sort().values for images in (own.target, domains.source.images)]
    assert torch.equal(*ordered)
    assert own.source_check is domains.source_check


def test_images_too_many_for_memory_are_read_for_the_step_that_takes_them_and_not_for_the_target(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def noted(file: Path, preprocessing: Preprocessing) -> Tensor:
        read.append(file)
        return read_resized(file, preprocessing)

    monkeypatch.setattr("harness.data.pairs.IN_MEMORY_BYTES", 0)
    monkeypatch.setattr("harness.data.images.read_resized", noted)
    domains = own_target(load_source(str(photographs), size=(16, 16)))
    assert len(domains.target) == len(domains.source) == 24
    assert read == []
    settings = at_length(pretraining_from({"iterations": 3, "train_batch_size": 8}), 24)
    bank = create_bank("resnet8", domains.classes, (3, 16, 16))
    batches = [batch for _, _, batch in step_batches(bank, domains, settings, range(3), None, torch.device("cpu"))]
    assert [len(batch.source) for batch in batches] == [8, 8, 8]
    assert len(read) == 24


def test_lengths() -> None:
    assert at_length(pretraining_from({"epochs": 2.5, "train_batch_size": 10}), 101).source_iterations == 26
    assert at_length(pretraining_from({"iterations": 7}), 101).source_iterations == 7
    assert at_length(pretraining_from({"quick": True}), 10**6).source_iterations == 30
    with pytest.raises(RunError):
        pretraining_from({"iterations": 7, "epochs": 1.0})
