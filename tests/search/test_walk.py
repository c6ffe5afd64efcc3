from __future__ import annotations

import itertools
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bank import ModelBank, StandaloneBank
from harness.search import Scorer, convolution, upem, walk
from harness.search.walk import Walk, can_walk, path_bytes
from harness.space import Architecture
from tests.bank.factory import images_for, lived_in_bank

IMAGES = 24


@cache
def bank_and_images(model: str, dtype: torch.dtype = torch.float32) -> tuple[ModelBank, torch.Tensor]:
    bank = lived_in_bank(model).to(dtype)
    with torch.no_grad():  # Fresh heads are so flat that no two predictions differ by much.
        for parameter in bank.heads.parameters():
            parameter.mul_(8)
    return bank, images_for(bank, IMAGES).to(dtype)


@cache
def plain(model: str, arch: Architecture, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    bank, images = bank_and_images(model, dtype)
    with torch.no_grad():
        return bank.logits(images, arch).softmax(dim=1)


@st.composite
def some_architectures(draw: st.DrawFn, model: str) -> list[Architecture]:
    """Draw architectures of which many have their first widths in common."""
    space = bank_and_images(model)[0].space
    few = [draw(st.lists(st.integers(0, len(space.slots[i].choices) - 1), min_size=1, max_size=2)) for i in space.free]
    return draw(st.lists(st.builds(space.from_indices, st.tuples(*map(st.sampled_from, few))), min_size=1, max_size=6))


@pytest.mark.parametrize("model", ["resnet8", "resnet18", "resnet50"])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_a_walk_predicts_what_each_subnet_predicts_alone(model: str, data: st.DataObject) -> None:
    # In float64, where nothing but a mistake makes a difference: deep nets enlarge the rounding of float32 a lot.
    bank, images = bank_and_images(model, torch.float64)
    walked = Walk(bank, images)
    for _ in range(2):  # the second time with what the first left in memory
        archs = data.draw(some_architectures(model))
        found = {arch: logits.softmax(dim=1) for arch, logits in walked.logits(archs)}
        assert set(found) == set(archs)
        for arch, probabilities in found.items():
            torch.testing.assert_close(probabilities, plain(model, arch, torch.float64), rtol=0, atol=1e-9)


@pytest.mark.parametrize("model", ["resnet8", "resnet18"])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_scores_and_their_order_are_those_of_plain_predictions(model: str, data: st.DataObject) -> None:
    bank, images = bank_and_images(model)
    archs = list(dict.fromkeys(data.draw(some_architectures(model))))
    anchor = plain(model, bank.space.full)
    expected = [upem.discrepancy(plain(model, arch), anchor) for arch in archs]
    found = Scorer(bank, images)(archs)
    assert found == pytest.approx(expected, abs=1e-4)
    for one, other in itertools.combinations(range(len(archs)), 2):
        if abs(expected[one] - expected[other]) > 2e-4:
            assert (found[one] < found[other]) == (expected[one] < expected[other])


def test_what_fits_no_memory_is_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "KEPT_BYTES", 0)
    monkeypatch.setattr(walk, "SIBLING_BYTES", 0)
    monkeypatch.setattr(convolution, "COLUMN_BYTES", 0)
    bank, images = bank_and_images("resnet18")
    archs = [bank.space.full, *bank.space.drops(bank.space.full, 0.3), bank.space.smallest]
    walked = Walk(bank, images)
    for _ in range(2):
        for arch, logits in walked.logits(archs):
            torch.testing.assert_close(logits.softmax(dim=1), plain("resnet18", arch), rtol=0, atol=1e-4)


def test_memory_of_results_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    bank, images = bank_and_images("resnet8")
    limit = 4 * path_bytes(bank, IMAGES)
    monkeypatch.setattr(walk, "KEPT_BYTES", limit)
    walked = Walk(bank, images)
    archs = [bank.space.uniform(ratio / 10) for ratio in range(1, 11)]
    for arch in archs:
        list(walked.logits([arch]))
    kept = list(walked._kept._states.values())
    assert kept
    assert sum(state.nbytes for state in kept) <= limit


def test_a_path_takes_the_memory_of_its_activations() -> None:
    bank, images = bank_and_images("resnet8")
    walked = Walk(bank, images)
    list(walked.logits([bank.space.full]))
    kept = list(walked._kept._states.values())
    assert walked._stem.nbytes + sum(state.nbytes for state in kept) == path_bytes(bank, IMAGES)


def test_subnets_too_large_to_walk_are_scored_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    bank, images = bank_and_images("resnet8")
    archs = bank.space.drops(bank.space.full, 0.5)
    walked = Scorer(bank, images)(archs)
    monkeypatch.setattr(walk, "PATH_BYTES", path_bytes(bank, IMAGES) - 1)
    monkeypatch.setattr(Walk, "logits", None)
    assert Scorer(bank, images)(archs) == pytest.approx(walked, abs=1e-4)


def test_a_network_that_is_no_line_of_residual_steps_is_scored_alike() -> None:
    bank, images = bank_and_images("mobilenet_v2")
    assert not can_walk(bank, IMAGES)
    archs = [bank.space.uniform(0.5), bank.space.smallest]
    anchor = plain("mobilenet_v2", bank.space.full)
    expected = [upem.discrepancy(plain("mobilenet_v2", arch), anchor) for arch in archs]
    assert Scorer(bank, images)(archs) == pytest.approx(expected, abs=1e-6)


def test_networks_trained_apart_are_scored_with_their_own_weights() -> None:
    whole, images = bank_and_images("resnet8")
    narrow = whole.space.uniform(0.5)
    apart = StandaloneBank(whole.spec, [narrow])
    apart.load_state_dict(whole.state_dict())
    own, anchor = (apart.logits(images, arch).softmax(dim=1) for arch in (narrow, whole.space.full))
    expected = upem.discrepancy(own, anchor)
    assert Scorer(apart, images)([narrow]) == [pytest.approx(expected, abs=1e-6)]
    assert Scorer(whole, images)([narrow]) != [pytest.approx(expected, abs=1e-3)]
