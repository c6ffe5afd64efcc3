"""The ablation's --model, --image-size and --weights: what they reach, and what is refused because of them."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.ablation import AblationError, Network, Plan, chosen_network
from harness.ablation.measured import MEASURES, Subject
from harness.ablation.reporting import command
from harness.ablation.tasks import load_task
from harness.ablation.training import source_bank
from harness.ablation.variants import variant
from harness.bank import BankError, ModelBank, create_bank, load_bank, save_bank
from harness.data import Domains
from tests.ablation.plans import TINY, plan, run
from tests.data.made import classes
from tests.runs import Runner

DIGITS = tuple("0123456789")
PACS = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
TASK = "pacs:photo->pacs:sketch"
SYMNET = variant("symnet", "symnet")
UNTRAINED = TINY.model_copy(update={"source_iterations": 0})


def pretrained(folder: Path, names: tuple[str, ...] = DIGITS, channels: int = 1) -> tuple[ModelBank, str]:
    """Return a bank of weights that no seed of the ablation gives, and the folder it is in."""
    bank = create_bank("resnet8", names, (channels, 32, 32), seed=77)
    save_bank(bank, folder, {})
    return bank, str(folder)


def untrained(folder: Path, weights: str | None) -> Plan:
    return plan(folder, settings=UNTRAINED, network=chosen_network("resnet8", None, weights))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for start, domain in ((0, "photo"), (5000, "sketch"), (9000, "cartoon")):
        classes(root / "pacs" / domain, PACS, 4, start)
    return root


@pytest.fixture(scope="module")
def digits() -> Domains:
    return load_task("digits", 0, None)[0]


def same(ours: torch.nn.Module, theirs: torch.nn.Module) -> bool:
    others = theirs.state_dict()
    return all(torch.equal(value, others[name]) for name, value in ours.state_dict().items())


def test_size_and_model_reach_every_bank_and_its_images(photographs: Path, tmp_path: Path) -> None:
    network = chosen_network("resnet18", 24, None)
    settings = TINY.model_copy(update={"source_iterations": 1, "adaptation_iterations": 1, "batch_size": 8})
    asked = plan(tmp_path, methods=("symnet",), tasks=(TASK,), data_root=photographs, network=network)
    asked = replace(asked, settings=settings)
    run(asked)
    for bank_file in (asked.folder / "banks").glob("*/bank.json"):
        bank, about = load_bank(bank_file.parent)
        assert (bank.spec.model, bank.spec.input_shape) == ("resnet18", (3, 24, 24))
        assert Network(**about["network"]) == network
    assert len(list((asked.folder / "banks").glob("*/bank.json"))) == 2
    domains, held_out = load_task(TASK, 0, photographs, 24)
    assert domains.target.shape[2:] == held_out.images.shape[2:] == (24, 24)


def test_what_is_trained_on_the_source_alone_is_one_bank_for_all_tasks_of_that_source(
    photographs: Path, tmp_path: Path
) -> None:
    settings = TINY.model_copy(update={"source_iterations": 1, "adaptation_iterations": 1, "batch_size": 8})
    network = chosen_network("resnet8", 24, None)
    tasks = (TASK, "pacs:photo->pacs:cartoon", "pacs:sketch->pacs:cartoon")
    together, alone = (
        plan(
            tmp_path / str(len(some)),
            methods=("source-only", "symnet"),
            tasks=some,
            settings=settings,
            network=network,
            data_root=photographs,
        )
        for some in (tasks, tasks[1:2])
    )
    run(together)
    run(alone)
    assert len(list((together.folder / "banks").glob("source-*-seed0-source/bank.json"))) == 2
    assert len(list((together.folder / "banks").glob("source-*-seed0-source-only/bank.json"))) == 2
    assert len(list((together.folder / "banks").glob("pacs*/bank.json"))) == 3
    found = {path.relative_to(alone.folder): path for path in alone.folder.rglob("bank.json")}
    assert len(found) == 3
    for place, path in found.items():
        assert same(load_bank(path.parent)[0], load_bank((together.folder / place).parent)[0])


def test_a_pretrained_bank_of_the_same_classes_is_where_all_start_from(digits: Domains, tmp_path: Path) -> None:
    given, folder = pretrained(tmp_path / "given")
    assert same(source_bank(untrained(tmp_path / "run", folder), 0, digits), given)
    assert not same(source_bank(untrained(tmp_path / "random", None), 0, digits), given)


def test_heads_of_other_classes_start_anew_on_the_pretrained_backbone(digits: Domains, tmp_path: Path) -> None:
    given, folder = pretrained(tmp_path / "given", names=tuple("abcdefghij"))
    found = source_bank(untrained(tmp_path / "run", folder), 0, digits)
    assert found.spec.classes == DIGITS
    assert same(found.backbone, given.backbone)
    assert same(found.heads, create_bank("resnet8", DIGITS, (1, 16, 16), seed=0).heads)


def test_weights_are_told_by_what_they_are_and_not_by_where_they_lie(tmp_path: Path) -> None:
    bank, folder = pretrained(tmp_path / "given")
    save_bank(bank, tmp_path / "copy", {})
    _, other = pretrained(tmp_path / "other", names=tuple("ab"))
    asked, copied, another = (chosen_network("resnet8", None, one) for one in (folder, str(tmp_path / "copy"), other))
    assert asked == copied
    assert another not in (asked, chosen_network("resnet8", None, None))


@pytest.mark.parametrize("network", [Network("resnet18"), Network(image_size=24), Network(sha256="0" * 64)])
def test_results_and_banks_of_another_network_are_refused(digits: Domains, tmp_path: Path, network: Network) -> None:
    asked = plan(tmp_path, methods=("symnet",), settings=UNTRAINED)
    source_bank(asked, 0, digits)
    with pytest.raises(AblationError, match="-seed0-source was made with another --model, --image-size"):
        source_bank(replace(asked, network=network), 0, digits)


@pytest.mark.parametrize("network", [Network("resnet18"), Network(sha256="0" * 64)])
def test_results_of_another_network_are_refused_before_anything_is_trained(finished: Path, network: Network) -> None:
    before = sorted(finished.rglob("*"))
    with pytest.raises(AblationError, match=r"symnet\.json was made with another --model, --image-size or --weights"):
        run(plan(finished, methods=("symnet", "seed"), network=network))
    assert sorted(finished.rglob("*")) == before


def test_results_say_which_network_they_are_of(tmp_path: Path) -> None:
    _, folder = pretrained(tmp_path / "given")
    asked = untrained(tmp_path / "run", folder)
    domains, held_out = load_task("digits", 0, None)
    part = MEASURES["accuracy"](Subject(asked, "digits", SYMNET, SYMNET.settings(UNTRAINED, 0), domains, held_out))
    assert part.network == asked.network
    assert part.network.weights == folder


def test_weights_that_change_on_the_way_are_refused(digits: Domains, tmp_path: Path) -> None:
    _, folder = pretrained(tmp_path / "given")
    asked = untrained(tmp_path / "run", folder)
    save_bank(create_bank("resnet8", DIGITS, (1, 16, 16), seed=78), tmp_path / "given", {})
    with pytest.raises(AblationError, match="has changed since the ablation began"):
        source_bank(asked, 0, digits)


def test_the_command_names_model_size_and_weights(tmp_path: Path) -> None:
    asked = plan(tmp_path, network=Network("resnet18", 64, "my runs/x/bank", "0" * 64))
    words = command(asked, asked.experiments[0])
    options = ["--model", "resnet18", "--image-size", "64", "--weights", "my runs/x/bank"]
    assert shlex.split(words)[9:15] == options


def test_weights_are_read_before_images_are(tmp_path: Path) -> None:
    _, folder = pretrained(tmp_path / "given")
    for model, weights, words in (
        ("resnet51", None, "unknown model 'resnet51'"),
        ("resnet18", folder, "add --model resnet8"),
        ("resnet8", str(tmp_path / "absent.pth"), "there is no weights file"),
    ):
        with pytest.raises(BankError, match=words):
            chosen_network(model, None, weights)


def test_the_command_line_starts_from_a_bank_and_names_it(runner: Runner, tmp_path: Path) -> None:
    _, folder = pretrained(tmp_path / "given")
    text = "--seeds 1 --methods symnet --source-iterations 0 --iterations 1 --train-batch-size 8 --model-batch 2"
    asked = ("ablation", "--run", tmp_path / "run", *text.split())
    done = runner(*asked, "--weights", folder)
    assert done.code == 0, done.err
    text = (tmp_path / "run" / "ablation.md").read_text(encoding="utf-8")
    assert f"all start from {folder} (sha256 " in text
    assert f"--weights {folder} " in text
    refused = runner(*asked)
    assert refused.code == 2
    assert "was made with another --model, --image-size or --weights" in refused.sentence


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--image-size", "32"), "the images of the task digits have a fixed size"),
        (("--tasks", "usps-mnist", "--image-size", "32"), "the images of the task usps-mnist have a fixed size"),
        (("--model", "resnet51"), "unknown model 'resnet51'"),
        (("--weights", "absent"), "there is no weights file absent"),
        (("--train-precision", "fp8"), "--train-precision: Input should be 'auto', 'fp32' or 'bf16'"),
        pytest.param(
            ("--train-device", "cuda"),
            "PyTorch finds no GPU here",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence_with_exit_code_2(
    runner: Runner, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    done = runner("ablation", "--run", tmp_path / "run", *options)
    assert done.code == 2
    assert words in done.sentence
    assert "Traceback" not in done.err
    assert not (tmp_path / "run").exists()
