"""Sets of small images by name: every form they are found in, and what is said where they are not whole."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from harness.data import DataError, load_pair
from harness.data.catalogue import CIFAR10_CLASSES
from harness.data.small import read_small
from tests.data.made import classes, mnist, svhn, usps_bz2


def cifar10_batches(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's pickled form, with the checksums of these tiny files in place of the real ones."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    sums = {}
    for position, name in enumerate([*(f"data_batch_{index}" for index in range(1, 6)), "test_batch", "batches.meta"]):
        data = np.random.default_rng(position).integers(0, 256, (20, 3072), dtype=np.uint8)
        entry: dict[str, object] = {"data": data, "labels": [index % 10 for index in range(20)]}
        content = pickle.dumps({"label_names": list(CIFAR10_CLASSES)} if name == "batches.meta" else entry)
        (folder / name).write_bytes(content)
        sums[name] = hashlib.md5(content).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name in sums if name.startswith("data")])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums["batches.meta"]})


@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw", "mnist/MNIST/raw", "."])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_mnist_is_found_where_it_is_usually_put(tmp_path: Path, folder: str, ending: str) -> None:
    mnist(tmp_path / folder, ending)
    found = read_small("mnist", tmp_path)
    assert found.train[0].shape == (40, 1, 28, 28)
    assert found.train[0].dtype == torch.uint8
    assert found.test[1].tolist() == [index % 10 for index in range(20)]


@pytest.mark.parametrize("folder", ["usps", "USPS", "."])
def test_usps_in_torchvisions_form(tmp_path: Path, folder: str) -> None:
    usps_bz2(tmp_path / folder)
    found = read_small("usps", tmp_path)
    assert found.train[0].shape == (30, 1, 16, 16)
    assert found.test[1].tolist() == [index % 10 for index in range(15)]


def test_usps_as_h5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    (tmp_path / "usps").mkdir()
    with h5py.File(tmp_path / "usps" / "usps.h5", "w") as file:
        for part, count in (("train", 30), ("test", 15)):
            group = file.create_group(part)
            group["data"] = np.full((count, 256), 0.5, np.float32)
            group["target"] = np.arange(count) % 10
    found = read_small("usps", tmp_path)
    assert (found.train[0] == 128).all()
    assert len(found.test[1]) == 15


def test_svhn_has_its_label_of_ten_for_the_digit_zero(tmp_path: Path) -> None:
    svhn(tmp_path / "svhn")
    found = read_small("svhn", tmp_path)
    assert found.train[0].shape == (25, 3, 32, 32)
    assert found.train[1].tolist() == [index % 10 for index in range(25)]


def test_cifar10_in_torchvisions_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar10_batches(tmp_path / "cifar10", monkeypatch)
    found = read_small("cifar10", tmp_path)
    assert found.train[0].shape == (100, 3, 32, 32)
    assert found.test[1].tolist() == [index % 10 for index in range(20)]


def test_cifar10_with_a_foreign_pickle_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar10_batches(tmp_path, monkeypatch)

    class Harmful:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "harm",)

    (tmp_path / "cifar-10-batches-py" / "data_batch_2").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(DataError, match="cifar-10-batches-py are incomplete or damaged"):
        read_small("cifar10", tmp_path)
    assert not (tmp_path / "harm").exists()


def test_cifar10_as_class_folders(tmp_path: Path) -> None:
    for part, count in (("train", 2), ("test", 1)):
        classes(tmp_path / "cifar10_jpeg" / part, CIFAR10_CLASSES, count)
    found = read_small("cifar10", tmp_path)
    assert found.train[0].shape == (20, 3, 32, 32)
    assert found.test[1].tolist() == list(range(10))
    (tmp_path / "cifar10_jpeg" / "test" / "truck" / "0.png").unlink()
    with pytest.raises(DataError, match="test/truck holds no images"):
        read_small("cifar10", tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mnist", "train-images-idx3-ubyte"),
        ("usps", "usps.bz2"),
        ("svhn", "train_32x32.mat"),
        ("cifar10", "batches-py"),
    ],
)
def test_what_is_absent_is_told_with_its_place_and_how_to_get_it(tmp_path: Path, name: str, expected: str) -> None:
    with pytest.raises(DataError, match=rf"^{name} was not found: .*{expected}.*{tmp_path / name}.*--download") as told:
        read_small(name, tmp_path)
    assert "\n" not in str(told.value)
    with pytest.raises(DataError, match=r"nowhere, given as --data-root, does not exist"):
        read_small(name, tmp_path / "nowhere")


@pytest.mark.parametrize("packed", ["cifar10/cifar10_jpeg.tar.gz", "cifar-10-python.tar.gz", "cifar10.zip"])
def test_an_archive_still_packed_is_named(tmp_path: Path, packed: str) -> None:
    (tmp_path / packed).parent.mkdir(exist_ok=True)
    (tmp_path / packed).touch()
    with pytest.raises(DataError, match=rf"{packed} must be unpacked first\.$"):
        read_small("cifar10", tmp_path)


def test_half_a_set_is_told_by_the_file_that_is_absent(tmp_path: Path) -> None:
    (mnist(tmp_path / "mnist") / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte does not exist"):
        read_small("mnist", tmp_path)
    (svhn(tmp_path / "svhn") / "test_32x32.mat").unlink()
    with pytest.raises(DataError, match=r"test_32x32.mat does not exist"):
        read_small("svhn", tmp_path)
    (usps_bz2(tmp_path / "usps") / "usps.t.bz2").unlink()
    with pytest.raises(DataError, match=r"usps.t.bz2"):
        read_small("usps", tmp_path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    (svhn(tmp_path / "svhn") / "train_32x32.mat").write_bytes(b"not a MATLAB file" * 20)
    with pytest.raises(DataError, match=r"train_32x32.mat cannot be read"):
        read_small("svhn", tmp_path)
    (usps_bz2(tmp_path / "usps") / "usps.bz2").write_bytes(b"not bz2")
    with pytest.raises(DataError, match=r"USPS in .*usps cannot be read"):
        read_small("usps", tmp_path)


def test_a_download_is_asked_of_torchvision_and_its_failure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    class Fetched:
        def __init__(self, root: str, *, train: bool, download: bool) -> None:
            fetched.append(root)
            mnist(Path(root) / "MNIST" / "raw", "")

    class Failed:
        def __init__(self, root: str, *, train: bool, download: bool) -> None:
            raise RuntimeError("no network.")

    monkeypatch.setattr("harness.data.small.MNIST", Fetched)
    with pytest.raises(DataError, match="mnist was not found"):
        read_small("mnist", tmp_path)
    assert not fetched
    assert len(read_small("mnist", tmp_path, download=True).test[1]) == 20
    assert set(fetched) == {str(tmp_path / "mnist")}
    assert len(read_small("mnist", tmp_path / "new" / "data", download=True).test[1]) == 20
    fetched.clear()
    read_small("mnist", tmp_path, download=True)
    assert not fetched
    (tmp_path / "mnist" / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="t10k-labels"):
        read_small("mnist", tmp_path)
    assert len(read_small("mnist", tmp_path, download=True).test[1]) == 20
    monkeypatch.setattr("harness.data.small.USPS", Failed)
    with pytest.raises(DataError, match=r"usps could not be downloaded to .*usps: no network\.$"):
        read_small("usps", tmp_path, download=True)


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    mnist(tmp_path / "mnist")
    usps_bz2(tmp_path / "usps")
    svhn(tmp_path / "svhn")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "target", "shape"),
    [("mnist", "usps", (1, 28, 28)), ("usps", "svhn", (3, 32, 32)), ("svhn", "mnist", (3, 32, 32))],
)
def test_pairs_share_size_and_channels_and_keep_official_splits(
    digits: Path, source: str, target: str, shape: tuple[int, ...]
) -> None:
    counts = {"mnist": (40, 20), "usps": (30, 15), "svhn": (25, 12)}
    domains, held_out = load_pair(source, target, data_root=digits)
    assert held_out is not None
    parts = (domains.source.images, domains.source_check.images, domains.target, held_out.images)
    assert tuple(len(part) for part in parts) == (*counts[source], *counts[target])
    assert all(part.shape[1:] == part[:3].shape[1:] == shape for part in parts)
    assert not domains.flip
    assert domains.classes == tuple("0123456789")
    whole = domains.source.images[:]
    assert abs(whole.mean().item()) < 0.01
    assert abs(whole.std().item() - 1) < 0.05


def test_the_size_asked_for_is_the_size_of_both(digits: Path) -> None:
    domains, _ = load_pair("mnist", "usps", data_root=digits, size=(16, 16))
    assert domains.target[:].shape == (30, 1, 16, 16)


def test_the_same_seed_gives_the_same_domains_and_another_another_order(digits: Path) -> None:
    first, again, other = (load_pair("mnist", "usps", data_root=digits, seed=seed)[0].digest for seed in (1, 1, 2))
    assert first == again != other
