"""Creating, saving and loading banks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from harness.bank import BankError, ModelBank, create_bank, load_bank, save_bank
from tests.bank.factory import lived_in_bank, stem_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_bank(lived_in_bank("resnet8"), tmp_path / "bank", {"seed": 3, "method": "slimda"})
    return tmp_path / "bank"


def assert_equal_weights(first: ModelBank, second: ModelBank) -> None:
    mine, other = first.state_dict(), second.state_dict()
    assert mine.keys() == other.keys()
    assert all(torch.equal(mine[name], other[name]) for name in mine)


def test_a_bank_survives_saving_and_loading(folder: Path) -> None:
    bank, about = load_bank(folder)
    saved = lived_in_bank("resnet8")
    assert bank.spec == saved.spec
    assert about == {"seed": 3, "method": "slimda"}
    assert_equal_weights(bank, saved)
    assert sorted(path.name for path in folder.iterdir()) == ["bank.json", "weights.safetensors"]


def test_saving_again_replaces_what_was_there(folder: Path) -> None:
    other = lived_in_bank("resnet8", classes=9, seed=1)
    save_bank(other, folder, {})
    bank, about = load_bank(folder)
    assert (bank.spec, about) == (other.spec, {})
    assert_equal_weights(bank, other)


@pytest.mark.parametrize("name", ["bank.json", "weights.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BankError, match="no model bank in") as caught:
        load_bank(folder)
    assert str(caught.value).endswith(" is missing")
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["bank.json", "weights.safetensors"])
@pytest.mark.parametrize("contents", [b"", b"{", b"\xff\xfe garbage \x00" * 10])
def test_a_corrupted_file_is_named(folder: Path, name: str, contents: bytes) -> None:
    (folder / name).write_bytes(contents)
    with pytest.raises(BankError, match=name) as caught:
        load_bank(folder)
    assert "\n" not in str(caught.value)


def test_truncated_weights_are_refused(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BankError, match=r"weights\.safetensors is not a weights file"):
        load_bank(folder)


def test_weights_of_another_model_are_refused(folder: Path, tmp_path: Path) -> None:
    save_bank(lived_in_bank("resnet8", classes=9), tmp_path / "other", {})
    (tmp_path / "other" / "weights.safetensors").replace(folder / "weights.safetensors")
    with pytest.raises(BankError, match="do not fit resnet8"):
        load_bank(folder)


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"model": 3}, {"head": "middle"}, {"input_shape": [1, 16]}, {"surprise": 1}, {"classes": "ab"}],
    ids=lambda change: next(iter(change)),
)
def test_a_description_with_a_wrong_field_is_refused(folder: Path, change: dict[str, object]) -> None:
    path = folder / "bank.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BankError, match="is not a bank description"):
        load_bank(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"model": "resnet9"}, "unknown model 'resnet9'"), ({"classes": ["a"]}, "at least two classes")],
    ids=["model", "classes"],
)
def test_a_description_of_an_impossible_bank_is_refused(folder: Path, change: dict[str, object], message: str) -> None:
    path = folder / "bank.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BankError, match=message):
        load_bank(folder)


def test_the_same_seed_gives_the_same_weights_and_touches_no_global_random_state() -> None:
    state = torch.random.get_rng_state()
    first = create_bank("resnet8", ["a", "b"], (1, 16, 16), seed=5)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(3)
    assert_equal_weights(first, create_bank("resnet8", ["a", "b"], (1, 16, 16), seed=5))
    other = create_bank("resnet8", ["a", "b"], (1, 16, 16), seed=6)
    assert not torch.equal(stem_of(first).weight, stem_of(other).weight)


def test_an_impossible_bank_is_refused() -> None:
    with pytest.raises(BankError, match="unknown model"):
        create_bank("vgg16", ["a", "b"], (3, 32, 32))
    with pytest.raises(BankError, match="at least two classes, got 1"):
        create_bank("resnet8", ["a"], (1, 16, 16))
