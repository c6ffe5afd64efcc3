"""The space of architectures: names, grids, ties, sampling, neighbours."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bank import MODELS, create_bank
from harness.space import Architecture, Slot, Space, arch_id, decode, encode

SPACES = {name: create_bank(name, ["a", "b"], (3, 32, 32)).space for name in MODELS}
any_space = st.sampled_from(list(SPACES.values()))
seeds = st.integers(0, 2**32 - 1)


@given(st.lists(st.integers(1, 4096), min_size=1, max_size=40).map(tuple))
def test_decode_reads_what_encode_wrote(arch: Architecture) -> None:
    assert decode(encode(arch)) == arch


@pytest.mark.parametrize("text", ["", "-", "8-", "8--8", "8-x", "8-0", "8-²", "8 -8", "+8", "8.0"])
def test_what_is_not_an_architecture_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an architecture"):
        decode(text)


def test_an_id_is_the_start_of_the_hash_of_model_and_widths() -> None:
    assert encode((8, 16, 24)) == "8-16-24"
    assert arch_id("resnet8", (8, 16, 24)) == hashlib.sha256(b"resnet8:8-16-24").hexdigest()[:12]


@given(any_space, seeds)
def test_samples_are_in_the_space_and_survive_a_round_trip_through_indices(space: Space, seed: int) -> None:
    arch = space.sample(np.random.default_rng(seed))
    assert arch in space
    assert space.from_indices(space.to_indices(arch)) == arch


@given(any_space, st.data())
def test_every_choice_of_indices_is_an_architecture(space: Space, data: st.DataObject) -> None:
    indices = tuple(data.draw(st.integers(0, len(space.slots[i].choices) - 1)) for i in space.free)
    arch = space.from_indices(indices)
    assert arch in space
    assert space.to_indices(arch) == indices


@given(any_space, seeds, st.floats(0.01, 0.5))
def test_a_drop_shrinks_exactly_one_group(space: Space, seed: int, share: float) -> None:
    arch = space.sample(np.random.default_rng(seed))
    drops = space.drops(arch, share)
    shrunk = []
    for smaller in drops:
        assert smaller in space
        changed = [i for i in space.free if smaller[i] != arch[i]]
        assert len(changed) == 1
        (index,) = changed
        slot, step = space.slots[index], arch[index] - smaller[index]
        assert step > 0
        assert step >= slot.divisor
        assert step <= max(slot.divisor, arch[index] * share + slot.divisor)
        shrunk.append(index)
    assert shrunk == [i for i in space.free if arch[i] > space.slots[i].minimum]


def test_nothing_can_be_dropped_from_the_smallest() -> None:
    for space in SPACES.values():
        assert space.drops(space.smallest, 0.1) == []


@given(any_space, seeds, st.floats(0.02, 0.9), st.floats(0.01, 0.3))
def test_a_sample_within_bounds_costs_what_was_asked(space: Space, seed: int, low: float, width: float) -> None:
    full = sum(space.full) ** 2

    def cost(arch: Architecture) -> float:
        return sum(arch) ** 2 / full

    arch = space.sample_within(np.random.default_rng(seed), cost, low, low + width)
    if arch is not None:
        assert arch in space
        assert low <= cost(arch) <= low + width


def test_a_window_that_can_be_met_is_met_and_one_that_cannot_ends_the_search() -> None:
    space = SPACES["resnet8"]
    calls = 0

    def cost(arch: Architecture) -> float:
        nonlocal calls
        calls += 1
        return float(sum(arch))

    rng = np.random.default_rng(0)
    assert space.sample_within(rng, cost, 0.3 * sum(space.full), 0.35 * sum(space.full)) is not None
    calls = 0
    assert space.sample_within(rng, cost, 1.0, 2.0, tries=5) is None
    assert calls <= 5 * 25


def test_samples_within_bounds_differ() -> None:
    space = SPACES["resnet50"]
    rng = np.random.default_rng(0)
    total = sum(space.full)
    found = {space.sample_within(rng, lambda arch: float(sum(arch)), 0.4 * total, 0.5 * total) for _ in range(10)}
    assert len(found) == 10


def test_the_stem_is_tied_to_stage_1_where_the_first_shortcut_is_the_identity() -> None:
    for model, tied in {"resnet8": True, "resnet18": True, "resnet34": True, "resnet50": False}.items():
        space = SPACES[model]
        assert (space.slots[0].tied_to == 1) is tied
        assert (0 in space.free) is not tied
        rng = np.random.default_rng(0)
        equal = [arch[0] == arch[1] for arch in (space.sample(rng) for _ in range(20))]
        assert all(equal) is tied


def test_sampled_widths_cover_the_range_and_are_not_uniform() -> None:
    space = SPACES["resnet18"]
    rng = np.random.default_rng(0)
    archs = [space.sample(rng) for _ in range(300)]
    sizes = np.array([sum(arch) / sum(space.full) for arch in archs])
    assert sizes.min() < 0.12
    assert sizes.max() > 0.9
    assert sum(arch == space.uniform(sum(arch) / sum(space.full)) for arch in archs) < 30


def test_uniform_snaps_to_the_grid() -> None:
    for space in SPACES.values():
        assert space.uniform(1.0) == space.full
        assert space.uniform(0.0) == space.smallest
        half = space.uniform(0.5)
        assert half in space
        assert all(abs(w - s.full / 2) <= s.divisor / 2 for w, s in zip(half, space.slots, strict=True))


def test_the_size_counts_free_choices() -> None:
    space = Space("toy", (Slot("a", 8, 4, 2, tied_to=1), Slot("b", 8, 4, 2), Slot("c", 9, 3, 3)))
    every = {space.from_indices((i, j)) for i in range(3) for j in range(3)}
    assert len(every) == space.size == 9
    assert (4, 4, 3) in every
    assert math.prod(len(SPACES["resnet50"].slots[i].choices) for i in SPACES["resnet50"].free) > 1e30


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ((8, 8), "has 3 widths, not 2"),
        ((8, 8, 4), "c of toy cannot have 4 channels: multiples of 3 from 3 to 9"),
        ((8, 8, 12), "c of toy cannot have 12"),
        ((6, 8, 9), "a of toy must equal b"),
    ],
)
def test_what_is_outside_the_space_is_refused_in_one_sentence(arch: Architecture, message: str) -> None:
    space = Space("toy", (Slot("a", 8, 4, 2, tied_to=1), Slot("b", 8, 4, 2), Slot("c", 9, 3, 3)))
    assert arch not in space
    with pytest.raises(ValueError, match=message):
        space.validate(arch)
    with pytest.raises(ValueError, match="toy"):
        space.to_indices(arch)


def test_wrong_indices_are_refused() -> None:
    space = SPACES["resnet8"]
    with pytest.raises(ValueError, match="argument"):
        space.from_indices([0])
    with pytest.raises(IndexError):
        space.from_indices([10_000] * len(space.free))
