"""The card beside an exported subnet, and that the example on it runs with nothing but the three packages it names."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from onnx import ModelProto
from PIL import Image

from harness.bank import create_bank
from harness.data import Domains, LabelledImages, Preprocessing, load_digits
from harness.deployment import Deployment
from harness.export import SubnetFileError
from harness.report import Row
from harness.results import write_cards
from harness.results.evaluation import deployed_accuracy
from harness.running import Record, RunFolder, RunSettings
from harness.space import encode
from tests.data.made import read_image
from tests.devices.external import FORMS
from tests.hostile import damaged, read_or_refused, refusal
from tests.report.factory import row, unmeasured

#: Stands before the example: nothing else that is installed can be imported.
ONLY = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("onnxruntime", "numpy", "PIL"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
"""
PHOTOS = Preprocessing(
    size=(32, 32),
    channels=3,
    mean=(0.5, 0.4, 0.3),
    std=(0.2, 0.25, 0.3),
    resize="shorter-side-then-crop",
    shorter_side=36,
)
STRETCHED = Preprocessing(size=(32, 24), channels=3, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))


def domains_of(preprocessing: Preprocessing, classes: tuple[str, ...]) -> Domains:
    images = torch.randn(64, preprocessing.channels, *preprocessing.size, generator=torch.Generator().manual_seed(0))
    labelled = LabelledImages(images, torch.arange(64) % len(classes))
    return Domains("made", classes, preprocessing, labelled, labelled, images)


def exported(folder: Path, domains: Domains, batch_size: int = 1) -> tuple[Deployment, Row]:
    """Export a subnet of an untrained bank into a run folder, and return the row that a run has of it."""
    shape = (domains.preprocessing.channels, *domains.preprocessing.size)
    deployment = Deployment(create_bank("resnet8", domains.classes, shape), domains, batch_size)
    arch = deployment.bank.space.uniform(0.5)
    subject = deployment.subnet(arch, folder / "subnets", {"data": domains.name, "method": "slimda", "seed": "0"})
    return deployment, row(arch_id=subject.name, widths=encode(arch), batch_size=batch_size)


def run_folder(path: Path) -> RunFolder:
    record = Record(
        arguments=RunSettings(),
        seed=7,
        started="2025-01-01T00:00:00+00:00",
        versions={"torch": "2.9", "onnx": "1.2"},
        weights={"source": "/home/me/secret/resnet.pth", "sha256": "ab" * 32},
        data={"name": "made|up", "digest": "cd" * 32},
    )
    return RunFolder(path, record)


def card_of(path: Path, found: Row) -> str:
    return (path / "subnets" / f"{found.arch_id}-fp32-b{found.batch_size}.md").read_text(encoding="utf-8")


def photograph(path: Path, size: tuple[int, int], seed: int) -> Path:
    """Write a smooth picture of this width and height."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


def named_by_example(card: str, folder: Path, image: Path) -> str:
    (example,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len([line for line in example.splitlines() if line]) <= 20
    command = [sys.executable, "-I", "-c", ONLY + example, str(image)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@torch.no_grad()
def named_by_bank(deployment: Deployment, inputs: torch.Tensor) -> str:
    arch = deployment.bank.space.uniform(0.5)
    logits = deployment.bank.logits(inputs, arch, deployment.bank.reestimate(deployment.domains.calibration, arch))[0]
    best, second = logits.topk(2).values.tolist()
    assert best - second > 0.01 * logits.abs().max(), "a class that rounding could change proves nothing"
    return deployment.bank.spec.classes[int(logits.argmax())]


@pytest.mark.parametrize("preprocessing", [PHOTOS, STRETCHED], ids=["crop", "stretch"])
def test_the_example_names_the_class_that_the_bank_names(tmp_path: Path, preprocessing: Preprocessing) -> None:
    deployment, found = exported(tmp_path, domains_of(preprocessing, ("a cat", 'the "dog"', "naïve")), batch_size=2)
    write_cards(run_folder(tmp_path), [found])
    named = set()
    for seed, size in enumerate([(70, 45), (45, 61), (32, 32)]):
        image = photograph(tmp_path / f"{seed}.png", size, seed)
        expected = named_by_bank(deployment, preprocessing.normalise(read_image(image, preprocessing)[None]))
        assert named_by_example(card_of(tmp_path, found), tmp_path / "subnets", image) == expected
        named.add(expected)
    assert named


@pytest.mark.parametrize("form", FORMS)
def test_a_file_with_weights_elsewhere_is_refused(tmp_path: Path, form: Callable[[str], ModelProto]) -> None:
    _, found = exported(tmp_path, domains_of(PHOTOS, ("a", "b")))
    (file,) = (tmp_path / "subnets").glob("*.onnx")
    file.write_bytes(form("../../../etc/passwd").SerializeToString())
    assert "in another file" in refusal(lambda: write_cards(run_folder(tmp_path), [found]), SubnetFileError)
    assert "in another file" in refusal(lambda: deployed_accuracy(file, load_digits(0)[1]), SubnetFileError)


@pytest.mark.parametrize("name", ["classes", "preprocessing", "model"])
@pytest.mark.parametrize("text", [None, "", "[1]", "[" * 10_000, '{"size": [16, 16]}'])
def test_a_file_that_says_nothing_of_itself_is_refused(tmp_path: Path, name: str, text: str | None) -> None:
    _, found = exported(tmp_path, domains_of(PHOTOS, ("a", "b")))
    (file,) = (tmp_path / "subnets").glob("*.onnx")
    model = ModelProto.FromString(file.read_bytes())
    kept = [entry for entry in model.metadata_props if entry.key != name]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    if text is not None:
        model.metadata_props.add(key=name, value=text)
    file.write_bytes(model.SerializeToString())
    if name == "model" and text is not None:
        write_cards(run_folder(tmp_path), [found])
    else:
        refusal(lambda: write_cards(run_folder(tmp_path), [found]), SubnetFileError)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_in_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    _, found = exported(folder, domains_of(PHOTOS, ("a", "b")))
    (file,) = (folder / "subnets").glob("*.onnx")
    model = ModelProto.FromString(file.read_bytes())
    del model.graph.initializer[:]
    file.write_bytes(data.draw(damaged(model.SerializeToString())))
    read_or_refused(lambda: write_cards(run_folder(folder), [found]), SubnetFileError)


@pytest.mark.parametrize("name", [b"images", b"arch_id", b"Conv"])
def test_names_that_are_not_text_are_refused(tmp_path: Path, name: bytes) -> None:
    _, found = exported(tmp_path, domains_of(PHOTOS, ("a", "b")))
    (file,) = (tmp_path / "subnets").glob("*.onnx")
    file.write_bytes(file.read_bytes().replace(name, b"\xff" * len(name)))
    told = refusal(lambda: write_cards(run_folder(tmp_path), [found]), SubnetFileError)
    assert "a name in it is not text" in told


def test_a_network_of_an_input_without_bounds_is_refused(tmp_path: Path) -> None:
    domains, held_out = load_digits(0)
    exported(tmp_path, domains)
    (file,) = (tmp_path / "subnets").glob("*.onnx")
    model = ModelProto.FromString(file.read_bytes())
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2**40
    file.write_bytes(model.SerializeToString())
    assert "more than 2^27" in refusal(lambda: deployed_accuracy(file, held_out), SubnetFileError)


def test_a_network_that_cannot_run_has_no_accuracy(tmp_path: Path) -> None:
    domains, held_out = load_digits(0)
    exported(tmp_path, domains)
    (file,) = (tmp_path / "subnets").glob("*.onnx")
    model = ModelProto.FromString(file.read_bytes())
    model.graph.node[0].op_type = "Nonsense"
    file.write_bytes(model.SerializeToString())
    assert "cannot be run" in refusal(lambda: deployed_accuracy(file, held_out), SubnetFileError)


def test_the_example_reads_a_grey_digit(tmp_path: Path) -> None:
    domains = load_digits(0)[0]
    deployment, found = exported(tmp_path, domains)
    write_cards(run_folder(tmp_path), [found])
    how = domains.preprocessing
    grey = (domains.target[:1] * how.std[0] + how.mean[0]).clamp(0, 1)
    image = tmp_path / "digit.png"
    Image.fromarray((grey[0, 0] * 255).round().to(torch.uint8).numpy()).save(image)
    named = named_by_example(card_of(tmp_path, found), tmp_path / "subnets", image)
    assert named == named_by_bank(deployment, domains.target[:1])


def test_a_card_has_the_cost_on_every_device_with_its_conditions_and_failures_without_numbers(tmp_path: Path) -> None:
    _, found = exported(tmp_path, domains_of(PHOTOS, ("a", "b")))
    board = dataclasses.replace(
        found, device="board", power_mode="MAXN", threads=4, host_p50_ms=2.5, host_ci_low_ms=2.4, host_ci_high_ms=2.625
    )
    failed = unmeasured(dataclasses.replace(found, device="other"), status="failed", reason="out of memory")
    estimated = unmeasured(dataclasses.replace(found, device="plan"), cost_source="estimated", predicted_ms=1.5)
    write_cards(run_folder(tmp_path), [found, board, failed, estimated])
    card = card_of(tmp_path, found)
    lines = {line.split(" | ")[0]: line for line in card.splitlines() if line.startswith("| ")}
    assert r"| 2.50 \[2.40–2.62\] |" in lines["| board"]
    assert "onnxruntime 1.31.1 power mode MAXN, 4 threads, fp32, batch 1" in lines["| board"]
    assert lines["| other"].startswith("| other | – | – |")
    assert "other: out of memory" in card
    assert "| estimated, not measured: 1.50 |" in lines["| plan"]
    assert "UPEM 0.1000" in card
    assert "| input | images | float32 \\[1, 3, 32, 32\\] |" in card
    assert "| output | logits | float32 \\[1, 2\\] |" in card
    assert "shorter side resized to 36 pixels" in card
    assert "resnet.pth, sha256 abab" in card
    assert "secret" not in card, "folders of this machine are nobody's business"
    assert "started 2025" in card
    assert "torch 2.9, onnx 1.2" in card


def test_names_from_data_and_boards_are_text_and_never_markup(tmp_path: Path) -> None:
    nasty = "<img src=x>|`#*[a](http://b)"
    _, found = exported(tmp_path, domains_of(PHOTOS, (nasty, "b")))
    write_cards(run_folder(tmp_path), [dataclasses.replace(found, device=nasty)])
    page = MarkdownIt("commonmark").enable("table").render(card_of(tmp_path, found))
    assert not re.findall(r"<(?:img|a|em)\b", page)
    shown = page.replace("\u200b", "")
    assert shown.count("&lt;img src=x&gt;|`#*[a](http://b)") == 2


def test_a_card_goes_with_its_file(tmp_path: Path) -> None:
    _, found = exported(tmp_path, domains_of(PHOTOS, ("a", "b")))
    folder = run_folder(tmp_path)
    write_cards(folder, [found, row(arch_id="f" * 12)])
    assert sorted(path.suffix for path in folder.subnets.iterdir()) == [".md", ".onnx"], "none without a file"
    folder.drop_subnets_but([f"{found.arch_id}-fp32-b1.onnx"])
    assert len(list(folder.subnets.iterdir())) == 2
    folder.drop_subnets_but([])
    assert list(folder.subnets.iterdir()) == []
