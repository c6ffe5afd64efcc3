"""The data sets that are known by name: what they are made of, how their downloads unpack, and where to get them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class DataSet:
    """A public data set.

    `folders`: what its own folder may be called below --data-root, apart from case, spaces and punctuation.
    `domains`: each domain and what its folder or list may be called; empty for sets of one domain. `classes`: how many
    there are. `archives`: how the downloads are called, as far as not after a folder or a domain.
    """

    name: str
    folders: tuple[str, ...]
    classes: int
    obtain: str
    domains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    archives: tuple[str, ...] = ()


CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

#: Sets of small images with an official split into training and test images; torchvision downloads them.
SMALL = (
    DataSet("mnist", ("mnist",), 10, "--download fetches it"),
    DataSet("usps", ("usps",), 10, "--download fetches it"),
    DataSet("svhn", ("svhn",), 10, "--download fetches it", archives=("train_32x32", "test_32x32")),
    DataSet(
        "cifar10",
        ("cifar10", "cifar10_jpeg", "CIFAR-10-images", "cifar-10-batches-py"),
        10,
        "--download fetches it",
        archives=("cifar-10-python",),
    ),
)

PHOTOGRAPHS = (
    DataSet(
        "office31",
        ("office31", "office", "Original_images", "domain_adaptation_images"),
        31,
        "get it from https://faculty.cc.gatech.edu/~judy/domainadapt/",
        {"amazon": ("amazon",), "dslr": ("dslr",), "webcam": ("webcam",)},
    ),
    DataSet(
        "officehome",
        ("officehome", "OfficeHomeDataset_10072016", "OfficeHomeDataset"),
        65,
        "get it from https://www.hemanthdv.org/officeHomeDataset.html",
        {
            "art": ("Art",),
            "clipart": ("Clipart",),
            "product": ("Product",),
            "realworld": ("Real World", "Real"),
        },
    ),
    DataSet(
        "imageclef-da",
        ("imageclef-da", "image_CLEF", "imageCLEF_2014"),
        12,
        "get it from https://www.imageclef.org/2014/adaptation",
        {"caltech": ("c", "caltech"), "imagenet": ("i", "imagenet"), "pascal": ("p", "pascal"), "bing": ("b", "bing")},
    ),
    DataSet(
        "visda2017",
        ("visda2017", "visda-2017", "visda", "visda-c"),
        12,
        "get it from https://ai.bu.edu/visda-2017/",
        {"synthetic": ("train", "synthetic"), "real": ("validation", "real"), "test": ("test",)},
    ),
    DataSet(
        "domainnet",
        ("domainnet",),
        345,
        "get it from https://ai.bu.edu/M3SDA/",
        {name: (name,) for name in ("clipart", "infograph", "painting", "quickdraw", "real", "sketch")},
    ),
    DataSet(
        "pacs",
        ("pacs", "kfold", "homework3-pacs"),
        7,
        "get it from https://sketchx.eecs.qmul.ac.uk/downloads/",
        {"art": ("art_painting", "art"), "cartoon": ("cartoon",), "photo": ("photo",), "sketch": ("sketch",)},
    ),
)

DATA_SETS = {known.name: known for known in (*SMALL, *PHOTOGRAPHS)}
NAMES = tuple(DATA_SETS)
