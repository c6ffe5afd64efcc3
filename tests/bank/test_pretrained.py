"""Starting from weights that were trained elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from harness.bank import (
    BankError,
    ModelBank,
    Normalisation,
    StandaloneBank,
    create_bank,
    load_bank,
    save_bank,
    start_from,
    weights_digest,
)
from tests.bank.factory import images_for, stored_statistics
from tests.bank.test_torchvision import images, torchvision_network

CLASSES = tuple("abcdefg")
Weights = dict[str, Tensor]


def full_logits(bank: ModelBank, images: Tensor) -> Tensor:
    with torch.no_grad():
        return bank.logits(images, bank.space.full, stored_statistics(bank))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return torchvision_network("resnet18", len(CLASSES))


@pytest.fixture
def weights(network: nn.Module) -> Weights:
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.fixture
def bank() -> ModelBank:
    return create_bank("resnet18", CLASSES, (3, 64, 64))


def saved(weights: Any, path: Path) -> str:
    save_file(weights, path) if path.suffix == ".safetensors" else torch.save(weights, path)
    return str(path)


def assert_computes(bank: ModelBank, network: nn.Module) -> None:
    with torch.no_grad():
        expected = network(images())
    torch.testing.assert_close(
        full_logits(bank, images()), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max())
    )


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_a_bank_that_starts_from_a_file_computes_what_torchvision_s_network_does(
    bank: ModelBank, network: nn.Module, weights: Weights, tmp_path: Path, suffix: str
) -> None:
    start = start_from(bank, saved(weights, tmp_path / f"weights{suffix}"))
    assert_computes(bank, network)
    assert any("the heads start as its classifier of 7 classes" in note for note in start.notes)


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_checkpoints_of_training_scripts_are_taken(
    bank: ModelBank, network: nn.Module, weights: Weights, tmp_path: Path, wrapper: str
) -> None:
    parallel = {f"module.{name}": value for name, value in weights.items()}
    start_from(bank, saved({wrapper: parallel, "epoch": 89}, tmp_path / "checkpoint.pth"))
    assert_computes(bank, network)


def test_weights_from_before_batches_were_counted_are_taken(
    bank: ModelBank, network: nn.Module, weights: Weights, tmp_path: Path
) -> None:
    old = {name: value for name, value in weights.items() if not name.endswith("num_batches_tracked")}
    path = tmp_path / "old.pth"
    torch.save(old, path, _use_new_zipfile_serialization=False)
    start_from(bank, str(path))
    assert_computes(bank, network)


def test_all_three_heads_start_as_the_classifier(bank: ModelBank, weights: Weights, tmp_path: Path) -> None:
    start_from(bank, saved(weights, tmp_path / "weights.pth"))
    source, target, adapted = (head.weight for head in bank.heads.each())
    assert torch.equal(source, target)
    assert torch.equal(source, adapted)
    assert torch.equal(adapted.sum(dim=1).argsort(), weights["fc.weight"].sum(dim=1).argsort())


def test_heads_for_other_classes_stay_as_they_are_and_that_is_said(weights: Weights, tmp_path: Path) -> None:
    bank = create_bank("resnet18", ["a", "b"], (3, 64, 64))
    before = bank.heads.adapted.weight.clone()
    start = start_from(bank, saved(weights, tmp_path / "weights.pth"))
    assert torch.equal(bank.heads.adapted.weight, before)
    assert "the heads start anew, as its classifier is for 7 classes and not 2" in start.notes
    assert any("sorted by importance" in note for note in start.notes)


def test_grey_images_see_what_three_equal_channels_would(network: nn.Module, weights: Weights, tmp_path: Path) -> None:
    bank = create_bank("resnet18", CLASSES, (1, 64, 64))
    start = start_from(bank, saved(weights, tmp_path / "weights.pth"))
    grey = images_for(bank, 2)
    with torch.no_grad():
        expected = network(grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(full_logits(bank, grey), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
    assert any("summed" in note for note in start.notes)


def test_images_of_other_channels_are_refused(weights: Weights, tmp_path: Path) -> None:
    bank = create_bank("resnet18", CLASSES, (4, 64, 64))
    with pytest.raises(BankError, match="for images of 3 channels, and these have 4"):
        start_from(bank, saved(weights, tmp_path / "weights.pth"))


def test_no_memory_is_taken_for_the_classes_that_weights_claim(
    bank: ModelBank, weights: Weights, tmp_path: Path
) -> None:
    claimed = {**weights, "fc.bias": torch.zeros(10**6)}
    with pytest.raises(BankError, match=r"fc\.weight has shape .*, expected \[1000000, 512\]"):
        start_from(bank, saved(claimed, tmp_path / "weights.pth"))


def test_the_digest_is_of_the_weights_and_not_of_the_file(bank: ModelBank, weights: Weights, tmp_path: Path) -> None:
    first = start_from(bank, saved(weights, tmp_path / "one.pth")).sha256
    assert start_from(bank, saved(weights, tmp_path / "two.safetensors")).sha256 == first
    weights["fc.bias"][0] += 1
    assert start_from(bank, saved(weights, tmp_path / "three.pth")).sha256 != first


def test_the_digest_can_be_had_without_a_bank(bank: ModelBank, weights: Weights, tmp_path: Path) -> None:
    save_bank(create_bank("resnet18", CLASSES[:3], (3, 32, 32), seed=3), tmp_path / "bank", {})
    for source in (saved(weights, tmp_path / "weights.pth"), str(tmp_path / "bank")):
        assert weights_digest("resnet18", source) == start_from(bank, source).sha256


class TestRefused:
    @pytest.fixture(autouse=True)
    def _given(self, bank: ModelBank, tmp_path: Path) -> None:
        self.bank, self.folder = bank, tmp_path
        self.before = {name: value.clone() for name, value in bank.state_dict().items()}

    def refused(self, path: Path | str) -> str:
        with pytest.raises(BankError) as caught:
            start_from(self.bank, str(path))
        assert all(torch.equal(value, self.before[name]) for name, value in self.bank.state_dict().items())
        sentence = str(caught.value)
        assert "\n" not in sentence
        assert len(sentence) < 350
        return sentence

    def test_a_file_that_is_not_there(self) -> None:
        assert "there is no weights file" in self.refused(self.folder / "missing.pth")

    def test_a_file_of_another_kind(self) -> None:
        (self.folder / "weights.onnx").write_bytes(b"")
        assert ".pth, .pt and .safetensors can be read" in self.refused(self.folder / "weights.onnx")

    @pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
    @pytest.mark.parametrize(
        "contents", [b"", b"\x80\x02garbage", b"not weights" * 100], ids=["empty", "pickle", "text"]
    )
    def test_what_is_no_weights_file(self, name: str, contents: bytes) -> None:
        (self.folder / name).write_bytes(contents)
        assert f"{name} cannot be read" in self.refused(self.folder / name)

    @pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
    @pytest.mark.parametrize("left", [0.1, 0.9, 0.99999])
    def test_a_file_that_is_cut_short(self, weights: Weights, name: str, left: float) -> None:
        path = Path(saved(weights, self.folder / name))
        path.write_bytes(path.read_bytes()[: int(left * path.stat().st_size)])
        assert f"{name} cannot be read" in self.refused(path)

    def test_a_pickled_network_which_could_run_code(self, network: nn.Module) -> None:
        sentence = self.refused(saved(network, self.folder / "network.pth"))
        assert "holds more than tensors" in sentence
        assert "state_dict() alone" in sentence

    @pytest.mark.parametrize("found", [[1, 2], {}, {"epoch": 3}, torch.zeros(3)], ids=str)
    def test_what_is_no_state_dict(self, found: object) -> None:
        assert "holds no state dict" in self.refused(saved(found, self.folder / "other.pth"))

    def test_weights_of_another_network_name_the_first_that_does_not_fit_and_the_model_that_does(self) -> None:
        other = torchvision_network("resnet50", 7).state_dict()
        sentence = self.refused(saved(other, self.folder / "weights.pth"))
        assert "layer1.0.conv1.weight has shape [64, 64, 1, 1], expected [64, 64, 3, 3]" in sentence
        assert sentence.endswith("they fit --model resnet50")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda w: w.pop("layer4.1.bn2.weight"), "layer4.1.bn2.weight is missing, expected with shape [512]"),
            (lambda w: w.update(extra=torch.zeros(1)), "extra is there, which the network does not have"),
            (lambda w: w["bn1.bias"].fill_(float("nan")), "bn1.bias holds numbers that are not finite"),
            (lambda w: w.update({"bn1.bias": torch.zeros(64, dtype=torch.int8)}), "bn1.bias holds torch.int8"),
            (lambda w: w.pop("fc.bias"), "fc.bias is missing"),
            (lambda w: w.update({"fc.bias": torch.tensor(1.0)}), "fc.bias has shape [], expected [7]"),
        ],
        ids=["missing", "unknown", "nan", "integers", "no classifier", "scalar"],
    )
    def test_a_weight_that_does_not_fit_is_named(
        self, weights: Weights, change: Callable[[Weights], object], message: str
    ) -> None:
        change(weights)
        assert message in self.refused(saved(weights, self.folder / "weights.pth"))

    def test_the_bare_weights_of_a_bank(self) -> None:
        save_bank(create_bank("resnet18", CLASSES, (3, 64, 64)), self.folder / "bank", {})
        assert "of a bank, give the folder" in self.refused(self.folder / "bank" / "weights.safetensors")

    def test_a_folder_without_a_bank(self) -> None:
        assert "there is no model bank in" in self.refused(self.folder)

    def test_a_bank_of_another_model(self) -> None:
        save_bank(create_bank("resnet8", CLASSES, (3, 64, 64)), self.folder / "bank", {})
        assert "holds a resnet8, not a resnet18; add --model resnet8" in self.refused(self.folder / "bank")

    def test_networks_that_share_no_weights(self) -> None:
        save_bank(StandaloneBank(self.bank.spec, [self.bank.space.smallest]), self.folder / "bank", {})
        assert "trained apart" in self.refused(self.folder / "bank")


class TestAnotherBank:
    @pytest.fixture
    def other(self, tmp_path: Path) -> ModelBank:
        bank = create_bank("resnet8", CLASSES, (3, 16, 16), seed=9)
        with torch.no_grad():
            for index, head in enumerate(bank.heads.each()):
                head.bias.fill_(index)
        save_bank(bank, tmp_path / "bank", {})
        return bank

    def test_gives_all_its_weights_in_their_own_order(self, other: ModelBank, tmp_path: Path) -> None:
        bank = create_bank("resnet8", CLASSES, (3, 16, 16))
        start = start_from(bank, str(tmp_path / "bank"))
        assert all(torch.equal(value, bank.state_dict()[name]) for name, value in other.state_dict().items())
        assert start.notes[1:] == ("the heads start as its own",)

    def test_with_other_classes_gives_its_backbone_alone_at_any_image_size(
        self, other: ModelBank, tmp_path: Path
    ) -> None:
        bank = create_bank("resnet8", tuple("gfedcba"), (3, 32, 32))
        before = bank.heads.source.weight.clone()
        start = start_from(bank, str(tmp_path / "bank"))
        assert torch.equal(bank.heads.source.weight, before)
        assert torch.equal(bank.backbone.state_dict()["conv1.weight"], other.backbone.state_dict()["conv1.weight"])
        assert start.notes[1:] == ("the heads start anew, as its classes are others",)

    def test_of_grey_images_is_not_for_colour(self, tmp_path: Path) -> None:
        save_bank(create_bank("resnet8", CLASSES, (1, 16, 16)), tmp_path / "grey", {})
        with pytest.raises(BankError, match="for images of 1 channels, and these have 3"):
            start_from(create_bank("resnet8", CLASSES, (3, 16, 16)), str(tmp_path / "grey"))
        assert load_bank(tmp_path / "grey")


class TestImageNet:
    @pytest.fixture(autouse=True)
    def _no_network(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")

    def test_without_a_network_one_sentence_names_the_file_to_fetch(self, bank: ModelBank) -> None:
        with pytest.raises(BankError, match=r"could not be downloaded .*resnet18-\w+\.pth .*--weights FILE") as caught:
            start_from(bank, "imagenet")
        assert "\n" not in str(caught.value)

    def test_of_a_model_that_has_none_is_refused(self) -> None:
        with pytest.raises(BankError, match="there are no ImageNet weights of resnet8; choose another --model"):
            start_from(create_bank("resnet8", CLASSES, (3, 16, 16)), "imagenet")

    def test_what_torchvision_has_downloaded_before_is_used(self, bank: ModelBank, tmp_path: Path) -> None:
        folder = tmp_path / "hub" / "checkpoints"
        folder.mkdir(parents=True)
        network = torchvision_network("resnet18", 1000)
        torch.save(network.state_dict(), folder / "resnet18-f37072fd.pth")
        start = start_from(bank, "imagenet")
        assert "ImageNet weights (IMAGENET1K_V1)" in start.source
        network.fc = nn.Identity()
        with torch.no_grad():
            expected = network(images())
            found = bank.features(images(), bank.space.full, Normalisation(given=stored_statistics(bank)))
        tolerance = 1e-5 * float(expected.abs().max())
        torch.testing.assert_close(found.sort().values, expected.sort().values, rtol=1e-5, atol=tolerance)
