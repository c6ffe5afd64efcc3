"""Domains: embedded digits, image folders, and what of them may be seen by whom."""

from harness.data.augmentation import augment
from harness.data.digits import load_digits
from harness.data.domains import DataError, Domains, LabelledImages, Preprocessing, TargetLabels
from harness.data.folders import load_folders
from harness.data.mnist_usps import load_mnist_usps

__all__ = [
    "DataError",
    "Domains",
    "LabelledImages",
    "Preprocessing",
    "TargetLabels",
    "augment",
    "load_digits",
    "load_folders",
    "load_mnist_usps",
]
