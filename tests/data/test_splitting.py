"""Splits are partitions."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.data.splitting import split, split_classwise


@given(count=st.integers(0, 300), share=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_a_split_is_a_partition_of_the_right_size(count: int, share: float, seed: int) -> None:
    first, second = split(count, share, np.random.default_rng(seed))
    assert sorted([*first.tolist(), *second.tolist()]) == list(range(count))
    assert len(first) == round(share * count)
    again, _ = split(count, share, np.random.default_rng(seed))
    assert torch.equal(first, again)


@given(
    sizes=st.lists(st.integers(2, 12), min_size=1, max_size=6), share=st.floats(0.05, 0.95), seed=st.integers(0, 2**32)
)
def test_a_classwise_split_is_a_partition_with_every_class_on_either_side(
    sizes: list[int], share: float, seed: int
) -> None:
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    first, second = split_classwise(labels, share, np.random.default_rng(seed))
    assert sorted([*first.tolist(), *second.tolist()]) == list(range(len(labels)))
    assert set(labels[first].tolist()) == set(labels[second].tolist()) == set(range(len(sizes)))
