import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report import accuracy


@given(right=st.integers(0, 400), wrong=st.integers(0, 400))
def test_the_interval_is_wilsons(right: int, wrong: int) -> None:
    n = right + wrong
    if n == 0:
        return
    value, low, high = accuracy([0] * n, [0] * right + [1] * wrong)
    z, p = 1.959963984540054, right / n
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert value == p
    assert low == pytest.approx((centre - half) / (1 + z * z / n), abs=1e-12)
    assert high == pytest.approx((centre + half) / (1 + z * z / n), abs=1e-12)
    assert 0 <= low <= value <= high <= 1


@pytest.mark.parametrize(
    ("predictions", "labels"), [([], []), ([1], [1, 2]), ([[1]], [[1]]), (np.eye(2), np.eye(2)), ([0.5], [1])]
)
def test_what_is_not_one_class_per_image_is_refused(predictions: list[int], labels: list[int]) -> None:
    with pytest.raises(ValueError, match="accuracy"):
        accuracy(predictions, labels)
