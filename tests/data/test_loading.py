"""Training batches: the same with any number of workers, crops that stay inside, and bad images named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from harness.data import (
    DataError,
    Domains,
    Draw,
    Preprocessing,
    default_workers,
    images,
    load_digits,
    load_pair,
    training_batches,
)
from harness.data import pairs as module
from harness.data.augmentation import augment
from harness.data.images import ImageFiles
from harness.data.reading import read_resized
from tests.data.made import classes, mnist, usps_bz2

SIZE = (16, 16)


def draws(count: int = 3) -> Iterator[Draw]:
    for step in range(count):
        rows = torch.arange(4) + step
        yield Draw(rows, rows + 1, step)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    return str(classes(tmp_path / "source")), str(classes(tmp_path / "target", start=1000))


@pytest.fixture
def nothing_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_MEMORY_BYTES", 0)


def load(folders: tuple[str, str], workers: int = 0) -> Domains:
    return load_pair(*folders, size=SIZE, workers=workers)[0]


def equal(first: Domains, second: Domains) -> bool:
    pairs = zip(training_batches(first, draws()), training_batches(second, draws()), strict=True)
    return all(a.equal(b) for one, other in pairs for a, b in zip(one, other, strict=True))


@pytest.mark.usefixtures("nothing_fits")
def test_a_process_decodes_its_own_rows_of_a_batch_and_has_them_as_all_would(
    folders: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    domains, read = load(folders), []

    def noted(file: Path, preprocessing: Preprocessing) -> torch.Tensor:
        read.append(file)
        return read_resized(file, preprocessing)

    monkeypatch.setattr(images, "read_resized", noted)
    (whole,) = training_batches(domains, draws(1))
    read.clear()
    (part,) = training_batches(domains, [next(draws())._replace(mine=(slice(1, 3), slice(3, 4)))])
    assert len(read) == 3
    assert part.source[1:3].equal(whole.source[1:3])
    assert part.target[3:].equal(whole.target[3:])
    assert part.labels.equal(whole.labels)


def test_files_kept_and_files_decoded_when_needed_give_the_same_images(
    folders: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = load(folders)
    monkeypatch.setattr(module, "IN_MEMORY_BYTES", 0)
    needed = load(folders)
    assert isinstance(kept.target, ImageFiles)
    assert isinstance(needed.target, ImageFiles)
    assert (kept.target.in_memory, needed.target.in_memory) == (True, False)
    assert kept.target[:].equal(needed.target[:])
    assert kept.source_check.images[:].equal(needed.source_check.images[:])
    assert equal(kept, needed)


@pytest.mark.usefixtures("nothing_fits")
def test_workers_change_nothing(folders: tuple[str, str]) -> None:
    assert equal(load(folders), load(folders, workers=2))


def test_a_batch_is_random_crops_of_the_resized_images_some_mirrored(tmp_path: Path) -> None:
    for part, start in (("source", 0), ("target", 1000)):
        for name in "ab":
            for index in range(10):
                file = tmp_path / part / name / f"{index}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                column = torch.arange(24) * 10
                pixels = (column[None, :] + start * 0).expand(18, 24).to(torch.uint8)
                Image.fromarray(pixels.numpy()).convert("RGB").save(file)
    domains = load_pair(str(tmp_path / "source"), str(tmp_path / "target"), size=SIZE)[0]
    seen = set()
    for step in range(10):
        draw = Draw(torch.arange(8), torch.arange(8), step)
        (batch,) = training_batches(domains, [draw])
        rising = batch.source[:, 0, 0].diff(dim=1)
        assert ((rising > 0).all(1) | (rising < 0).all(1)).all()
        seen |= {(round(row[0].item(), 3), bool(row[1] > row[0])) for row in batch.source[:, 0, 0]}
    assert {mirrored for _, mirrored in seen} == {True, False}
    assert len({left for left, rises in seen if rises}) > 3


def test_labels_belong_to_the_drawn_rows(folders: tuple[str, str]) -> None:
    domains = load(folders)
    (batch,) = training_batches(domains, [Draw(torch.tensor([0, 15]), torch.tensor([0]), 0)])
    assert batch.labels.tolist() == domains.source.labels[[0, 15]].tolist()
    assert batch.source.shape == (2, 3, 16, 16)
    assert batch.target.shape == (1, 3, 16, 16)


def test_tensors_are_warped_with_one_generator_source_first() -> None:
    domains, _ = load_digits(0, source_count=50, check_count=10)
    (batch,) = training_batches(domains, [Draw(torch.arange(5), torch.arange(3), 7)])
    generator = torch.Generator().manual_seed(7)
    assert batch.source.equal(augment(domains.source.images[:5], generator))
    assert batch.target.equal(augment(domains.target[:3], generator))


def test_small_sets_are_warped_not_cropped(tmp_path: Path) -> None:
    mnist(tmp_path)
    usps_bz2(tmp_path)
    domains, _ = load_pair("mnist", "usps", data_root=tmp_path)
    (batch,) = training_batches(domains, [Draw(torch.arange(5), torch.arange(3), 7)])
    assert batch.source.equal(augment(domains.source.images[:5], torch.Generator().manual_seed(7)))


@pytest.mark.usefixtures("nothing_fits")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_image_is_named_in_one_sentence_wherever_it_is_decoded(
    folders: tuple[str, str], tmp_path: Path, workers: int
) -> None:
    domains = load(folders, workers)
    for file in (tmp_path / "target").glob("*/*.png"):
        file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(DataError, match=r"^The image .*target/[ab]/\d.png cannot be read: .*\.$") as told:
        list(training_batches(domains, draws()))
    assert "\n" not in str(told.value)


@pytest.mark.usefixtures("nothing_fits")
@pytest.mark.parametrize("format", ["jpeg", "png", "bmp"])
def test_a_file_that_is_cut_off_is_named_before_training(folders: tuple[str, str], tmp_path: Path, format: str) -> None:
    file = tmp_path / "target" / "b" / f"cut.{format}"
    Image.open(tmp_path / "target" / "b" / "0.png").resize((64, 64)).save(file)
    load(folders)
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=rf"^The image .*target/b/cut.{format} cannot be read: .*truncated.*\.$"):
        load(folders)


@pytest.mark.usefixtures("nothing_fits")
@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>"])
def test_what_is_no_image_is_named_before_training(folders: tuple[str, str], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "source" / "a" / "page.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"source/a/page.jpg cannot be read: it is not an image of a known format\.$"):
        load(folders)


@pytest.mark.usefixtures("nothing_fits")
@pytest.mark.parametrize("format", ["jpeg", "png"])
def test_a_whole_file_is_not_decoded_only_to_see_that_it_is_whole(
    folders: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    for file in (tmp_path / "target").glob("*/*.png"):
        Image.open(file).save(file.with_suffix(f".{format}"))
    read = []
    monkeypatch.setattr("harness.data.reading.read_resized", lambda file, preprocessing: read.append(file))
    load(folders)
    assert read == []


@pytest.mark.usefixtures("nothing_fits")
def test_what_follows_an_image_in_its_file_does_no_harm(folders: tuple[str, str], tmp_path: Path) -> None:
    for file in (tmp_path / "target").glob("*/*.png"):
        file.write_bytes(file.read_bytes() + b"more")
    assert len(list(training_batches(load(folders), draws()))) == 3


@pytest.mark.usefixtures("nothing_fits")
def test_a_decompression_bomb_is_refused_before_it_is_decoded(folders: tuple[str, str], tmp_path: Path) -> None:
    for file in (tmp_path / "source").glob("*/*.png"):
        file.unlink()
        Image.new("1", (9000, 9000)).save(file)
    with pytest.raises(DataError, match="9000 x 9000 pixels are more than the 64 million allowed"):
        list(training_batches(load(folders), draws()))


@pytest.mark.usefixtures("nothing_fits")
def test_undecoded_files_count_by_name_and_size_in_the_digest(folders: tuple[str, str], tmp_path: Path) -> None:
    before = load(folders).digest
    assert load(folders).digest == before
    for file in (tmp_path / "target").glob("a/*.png"):
        file.write_bytes(file.read_bytes() + b"more")
    assert load(folders).digest != before


def test_workers_are_shared_between_the_processes_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(6)), raising=False)
    assert default_workers() == 6
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert default_workers() == 1
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(128)), raising=False)
    assert default_workers() == 8
