"""The loader of the development task, on small files of the same formats."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.data import DataError
from harness.data.mnist_usps import Direction, load_mnist_usps
from tests.data.made import mnist


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    mnist(tmp_path / "mnist")
    (tmp_path / "usps").mkdir()
    with h5py.File(tmp_path / "usps" / "usps.h5", "w") as file:
        for part, count in (("train", 30), ("test", 15)):
            group = file.create_group(part)
            group["data"] = rng.random((count, 256), dtype=np.float32)
            group["target"] = np.arange(count) % 10
    return tmp_path


@pytest.mark.parametrize(("direction", "counts"), [("mnist-usps", (40, 20, 30, 15)), ("usps-mnist", (30, 15, 40, 20))])
def test_both_directions(data_root: Path, direction: Direction, counts: tuple[int, ...]) -> None:
    domains, held_out = load_mnist_usps(data_root, direction, 0)
    parts = (domains.source.images, domains.source_check.images, domains.target, held_out.images)
    assert tuple(len(part) for part in parts) == counts
    assert all(part.shape[1:] == (1, 16, 16) and part[:].dtype == torch.float32 for part in parts)
    assert sorted(held_out.labels.tolist()) == sorted(index % 10 for index in range(counts[3]))
    assert load_mnist_usps(data_root, direction, 0)[0].digest == domains.digest
    assert load_mnist_usps(data_root, direction, 1)[0].digest != domains.digest


def test_absent_damaged_and_foreign_files_are_named(data_root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent/mnist/train-images-idx3-ubyte.gz does not exist"):
        load_mnist_usps(tmp_path / "absent", "mnist-usps", 0)
    with pytest.raises(DataError, match="not usps-svhn"):
        load_mnist_usps(data_root, "usps-svhn", 0)  # type: ignore[arg-type]
    images = data_root / "mnist" / "train-images-idx3-ubyte.gz"
    whole = gzip.decompress(images.read_bytes())
    for content, message in (
        (gzip.compress(whole[:-1]), "is truncated"),
        (gzip.compress(whole + b"0"), "is truncated or damaged: more values instead of"),
        (gzip.compress(whole[:4] + b"\xff" * 12 + b"\0" * 10**7), "announces .* values, more than"),
        (gzip.compress(b"\0\0\x0d" + whole[3:]), "is not an idx file"),
        (gzip.compress(whole)[:-20], "cannot be read"),
        (b"plain", "cannot be read"),
    ):
        images.write_bytes(content)
        with pytest.raises(DataError, match=f"train-images-idx3-ubyte.gz {message}"):
            load_mnist_usps(data_root, "mnist-usps", 0)
    (data_root / "usps" / "usps.h5").write_bytes(b"plain")
    with pytest.raises(DataError, match=r"usps.h5 cannot be read"):
        load_mnist_usps(data_root, "usps-mnist", 0)
