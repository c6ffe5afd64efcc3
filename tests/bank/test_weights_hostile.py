"""Weights from strangers: read, or refused in one sentence, however they are damaged."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from harness.bank import BankError, create_bank, start_from
from harness.bank.state_dicts import WeightsError, read_state_dict
from tests.bank.test_torchvision import torchvision_network
from tests.hostile import damaged, read_or_refused, refusal

STATE = {"conv1.weight": torch.arange(12.0).reshape(3, 4), "bn1.running_mean": torch.zeros(3)}


def pickled() -> bytes:
    content = io.BytesIO()
    torch.save(STATE, content)
    return content.getvalue()


@pytest.mark.parametrize(("name", "content"), [("a.pth", pickled()), ("a.safetensors", save(STATE))], ids=["pth", "st"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(data.draw(damaged(content)))
    read_or_refused(lambda: read_state_dict(path), WeightsError)


@pytest.mark.parametrize("name", ["x" * 100_000, "two\nlines", "\x1b[2J", ""], ids=["long", "lines", "escape", "none"])
def test_whatever_a_weight_is_called_it_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / "weights.pth"
    torch.save({**torchvision_network("resnet18", 2).state_dict(), name: torch.zeros(2)}, path)
    told = refusal(lambda: start_from(create_bank("resnet18", ["a", "b"], (3, 32, 32)), str(path)), BankError)
    assert "which the network does not have" in told
    assert "\x1b" not in told
