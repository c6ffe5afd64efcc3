"""The loaders on the real data sets, where they are at hand: in $SLIMDA_DATA, or in shared/data beside the project."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from harness.data import DataError, load_pair
from tests.sources import ROOT

REAL = Path(os.environ.get("SLIMDA_DATA", ROOT.parent / "shared" / "data"))


def needs(file: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not (REAL / file).is_file(), reason=f"the real data set {REAL / file} is not at hand")


@needs("mnist/train-images-idx3-ubyte.gz")
@needs("usps/usps.h5")
def test_mnist_and_usps_whole() -> None:
    pytest.importorskip("h5py")
    domains, held_out = load_pair("mnist", "usps", data_root=REAL, size=(16, 16))
    assert held_out is not None
    assert (len(domains.source), len(domains.source_check)) == (60000, 4096)
    assert (len(domains.target), len(held_out.labels)) == (7291, 2007)
    assert abs(domains.source.images[:2000].mean().item()) < 0.05
    assert held_out.labels.bincount().min() > 100


@needs("office31/office31.tar")
def test_office31_packed_and_unpacked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"office31.tar must be unpacked first"):
        load_pair("office31:dslr", "office31:webcam", data_root=REAL)
    with tarfile.open(REAL / "office31" / "office31.tar") as archive:
        cameras = [entry for entry in archive if "/dslr/" in entry.name or "/webcam/" in entry.name]
        archive.extractall(tmp_path, cameras, filter="data")
    domains, held_out = load_pair("office31:dslr", "office31:webcam", data_root=tmp_path, size=(32, 32))
    assert held_out is not None
    assert len(domains.classes) == 31
    assert len(domains.source) + len(domains.source_check) == 498
    assert len(domains.target) == len(held_out.labels) == 795
