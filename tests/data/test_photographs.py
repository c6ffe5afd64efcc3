"""Photographic sets by name: the forms their downloads unpack to, the protocol, and what is said where they are not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.data import DataError, load_pair
from harness.data.catalogue import DATA_SETS
from harness.data.photographs import find_domain
from tests.data.made import classes, numbered, picture

SIZE = (16, 16)
PACS = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")


def write_list(file: Path, entries: list[tuple[str, int | str]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{path} {label}\n" for path, label in entries))
    return file


@pytest.mark.parametrize(
    ("name", "domain", "folder", "count"),
    [
        ("office31", "amazon", "office31/amazon/images", 31),
        ("office31", "amazon", "office31/office31/amazon/images", 31),
        ("office31", "webcam", "Office-31/webcam", 31),
        ("office31", "dslr", "dslr/images", 31),
        ("officehome", "realworld", "OfficeHomeDataset_10072016/Real World", 65),
        ("officehome", "art", "office_home/Art", 65),
        ("imageclef-da", "pascal", "image_CLEF/p", 12),
        ("visda2017", "synthetic", "visda-2017/train", 12),
        ("visda2017", "real", "VisDA2017/validation", 12),
        ("domainnet", "clipart", "DomainNet/clipart", 345),
        ("pacs", "art", "PACS/kfold/art_painting", 7),
        ("pacs", "photo", "pacs/photo", 7),
    ],
)
def test_class_folders_are_found_where_archives_put_them(
    tmp_path: Path, name: str, domain: str, folder: str, count: int
) -> None:
    for label in numbered(count):
        (tmp_path / folder / label).mkdir(parents=True)
        (tmp_path / folder / label / "0.jpg").touch()
    found, test = find_domain(DATA_SETS[name], domain, tmp_path)
    assert found.classes == tuple(numbered(count))
    assert len(found) == count
    assert test is None


def pacs(root: Path, domain: str, start: int = 0, count: int = 3) -> Path:
    return classes(root / "pacs" / domain, PACS, count, start)


def test_the_field_adapts_to_all_target_images_and_reports_on_the_same(tmp_path: Path) -> None:
    pacs(tmp_path, "photo")
    pacs(tmp_path, "sketch", 5000)
    domains, held_out = load_pair("pacs:photo", "pacs:sketch", data_root=tmp_path, size=SIZE)
    assert held_out is not None
    assert domains.name == "pacs:photo to pacs:sketch"
    assert domains.flip
    assert len(domains.source) + len(domains.source_check) == 21
    assert len(domains.target) == len(held_out.labels) == 21
    assert domains.target[:].equal(held_out.images[:])
    assert held_out.labels.tolist() != sorted(held_out.labels.tolist())
    assert sorted(held_out.labels.tolist()) == sorted(list(range(7)) * 3)


def official_list(root: Path, domain: str, part: str, labels: Iterable[int], count: int) -> None:
    """Write DomainNet's list of a part, with so many images of each class."""
    entries: list[tuple[str, int | str]] = []
    for label in labels:
        for index in range(count):
            path = f"{domain}/{numbered(345)[label]}/{part}{index}.jpg"
            picture(root / "domainnet" / path, 0, (8, 8))
            entries.append((path, label))
    write_list(root / "domainnet" / f"{domain}_{part}.txt", entries)


def test_official_lists_of_training_and_test_images_are_kept_apart(tmp_path: Path) -> None:
    for domain in ("real", "sketch"):
        official_list(tmp_path, domain, "train", range(345), 2)
        official_list(tmp_path, domain, "test", range(100), 1)
    domains, held_out = load_pair("domainnet:real", "domainnet:sketch", data_root=tmp_path, size=SIZE)
    assert held_out is not None
    assert (len(domains.source), len(domains.source_check)) == (690, 100)
    assert (len(domains.target), len(held_out.labels)) == (690, 100)
    assert held_out.labels.tolist() == list(range(100))


def test_a_class_that_only_one_of_the_official_lists_has_is_a_class_all_the_same(tmp_path: Path) -> None:
    """So are DomainNet's paintings: no t-shirt to train on, no syringe to test with."""
    names = numbered(345)
    for part, absent in (("train", 327), ("test", 300)):
        official_list(tmp_path, "real", part, range(345), 2)
        official_list(tmp_path, "painting", part, [label for label in range(345) if label != absent], 2)
    to_paintings, told = load_pair("domainnet:real", "domainnet:painting", data_root=tmp_path, size=SIZE)
    assert told is not None
    assert (len(to_paintings.classes), len(to_paintings.target)) == (345, 688)
    assert set(range(345)) - set(told.labels.tolist()) == {to_paintings.classes.index(names[300])}
    from_paintings, told = load_pair("domainnet:painting", "domainnet:real", data_root=tmp_path, size=SIZE)
    assert told is not None
    without_images = set(range(345)) - set(from_paintings.source.labels.tolist())
    assert {from_paintings.classes[label] for label in without_images} == {names[327]}
    assert len(told.labels) == 690


def test_imageclef_comes_as_flat_folders_with_lists(tmp_path: Path) -> None:
    for domain in "ip":
        entries: list[tuple[str, int | str]] = []
        for index in range(36):
            picture(tmp_path / "image_CLEF" / domain / f"{index}.jpg", index, (8, 8))
            entries.append((f"{domain}/{index}.jpg", index % 12))
        write_list(tmp_path / "image_CLEF" / "list" / f"{domain}List.txt", entries)
    domains, held_out = load_pair("imageclef-da:imagenet", "imageclef-da:pascal", data_root=tmp_path, size=SIZE)
    assert held_out is not None
    assert domains.classes == tuple(str(label) for label in range(12))
    assert len(domains.target) == 36


def test_visdas_test_images_have_a_list_and_no_class_folders(tmp_path: Path) -> None:
    classes(tmp_path / "visda" / "train", numbered(12), 2)
    entries: list[tuple[str, int | str]] = [(f"trunk{index % 3}/{index}.png", index % 12) for index in range(24)]
    for index, (path, _) in enumerate(entries):
        picture(tmp_path / "visda" / "test" / path, index)
    write_list(tmp_path / "visda" / "test" / "image_list.txt", entries)
    domains, held_out = load_pair("visda2017:synthetic", "visda2017:test", data_root=tmp_path, size=SIZE)
    assert held_out is not None
    assert domains.classes == tuple(numbered(12))
    assert sorted(held_out.labels.tolist()) == sorted(list(range(12)) * 2)


def test_visdas_test_images_without_their_list_have_no_labels(tmp_path: Path) -> None:
    classes(tmp_path / "visda" / "train", numbered(12), 2)
    for index in range(24):
        picture(tmp_path / "visda" / "test" / f"trunk{index % 3}" / f"{index}.png", index)
    domains, held_out = load_pair("visda2017:synthetic", "visda2017:test", data_root=tmp_path, size=SIZE)
    assert held_out is None
    assert len(domains.target) == 24
    listed = "".join(f"trunk{index % 3}/{index}.png\n" for index in range(20))
    (tmp_path / "visda" / "test" / "image_list.txt").write_text(listed)
    domains, held_out = load_pair("visda2017:synthetic", "visda2017:test", data_root=tmp_path, size=SIZE)
    assert held_out is None
    assert len(domains.target) == 20


def fails(match: str, root: Path, source: str = "office31:amazon", target: str = "office31:webcam") -> None:
    with pytest.raises(DataError, match=match) as told:
        load_pair(source, target, data_root=root, size=SIZE)
    assert "\n" not in str(told.value)
    assert str(told.value).endswith(".")


def test_one_domain_as_source_and_target_is_refused(tmp_path: Path) -> None:
    classes(tmp_path / "office31" / "amazon" / "images", numbered(31), 2)
    fails("office31:amazon is source and target; two domains are needed", tmp_path, target="office31:amazon")


def test_what_is_absent_is_told_with_its_place_and_where_to_get_it(tmp_path: Path) -> None:
    fails(rf"office31:amazon was not found: .*{tmp_path}/office31/amazon.*were expected; get it from https", tmp_path)
    classes(tmp_path / "office31" / "amazon" / "images", numbered(31), 2)
    fails("office31:webcam was not found", tmp_path)


@pytest.mark.parametrize("packed", ["office31/office31.tar", "office31.tar", "Office-31.zip", "office31/amazon.tar.gz"])
def test_an_archive_still_packed_is_named(tmp_path: Path, packed: str) -> None:
    (tmp_path / packed).parent.mkdir(exist_ok=True)
    (tmp_path / packed).touch()
    fails(rf"{packed} must be unpacked first", tmp_path)


def test_archives_of_other_sets_are_not_named(tmp_path: Path) -> None:
    (tmp_path / "cifar10.tar.gz").touch()
    fails("get it from", tmp_path)


def test_a_half_unpacked_set_is_noticed_by_its_classes(tmp_path: Path) -> None:
    classes(tmp_path / "office31" / "amazon" / "images", numbered(20), 2)
    fails("office31:amazon has 31 classes, but .*amazon/images holds 20; it may not be unpacked completely", tmp_path)
    (tmp_path / "office31" / "amazon" / "images" / "class020").mkdir()
    fails("class020 holds no images", tmp_path)


def test_a_half_unpacked_set_is_noticed_by_its_list(tmp_path: Path) -> None:
    entries: list[tuple[str, int | str]] = [(f"i/{index}.jpg", index % 12) for index in range(24)]
    for path, _ in entries[:20]:
        picture(tmp_path / "image_CLEF" / path, 0, (8, 8))
    write_list(tmp_path / "image_CLEF" / "list" / "iList.txt", entries)
    fails(
        r"Line 21 of the list .*iList.txt names i/20.jpg, which does not exist in .*image_CLEF",
        tmp_path,
        "imageclef-da:imagenet",
        "imageclef-da:pascal",
    )
