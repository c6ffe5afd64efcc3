"""Accuracy with an interval that is honest for small samples and for shares near 0 and 1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest


class Accuracy(NamedTuple):
    """A share of right answers in 0 to 1 with its 95% interval."""

    value: float
    low: float
    high: float


def accuracy(predictions: ArrayLike, labels: ArrayLike) -> Accuracy:
    """Return the top-1 accuracy of class indices [N] against labels [N], with Wilson's score interval (Wilson 1927).

    Raises ``ValueError`` if the two differ in shape, are empty, or are not one class index per image.
    """
    predicted, true = np.asarray(predictions), np.asarray(labels)
    if predicted.shape != true.shape or predicted.ndim != 1 or not len(true):
        raise ValueError(f"accuracy needs two equally long lists, not shapes {predicted.shape} and {true.shape}.")
    if predicted.dtype.kind not in "iu" or true.dtype.kind not in "iu":
        raise ValueError(f"accuracy compares class indices, not {predicted.dtype} with {true.dtype}.")
    right, total = int(np.count_nonzero(predicted == true)), len(true)
    interval = binomtest(right, total).proportion_ci(confidence_level=0.95, method="wilson")
    return Accuracy(right / total, float(interval.low), float(interval.high))
