"""Domains: embedded digits, data sets by name, image folders and lists, and what of them may be seen by whom."""

from harness.data.augmentation import augment
from harness.data.catalogue import NAMES
from harness.data.digits import load_digits
from harness.data.domains import DataError, Domains, Images, LabelledImages, Preprocessing, TargetLabels
from harness.data.ends import named_pair
from harness.data.finding import fetch
from harness.data.loading import Draw, TrainingBatch, default_workers, training_batches
from harness.data.mnist_usps import load_mnist_usps
from harness.data.pairs import load_pair, load_source

__all__ = [
    "NAMES",
    "DataError",
    "Domains",
    "Draw",
    "Images",
    "LabelledImages",
    "Preprocessing",
    "TargetLabels",
    "TrainingBatch",
    "augment",
    "default_workers",
    "fetch",
    "load_digits",
    "load_mnist_usps",
    "load_pair",
    "load_source",
    "named_pair",
    "training_batches",
]
