"""Image folders: what is read, what is passed over, and one clear sentence for all that cannot be used."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.data import DataError, Preprocessing, load_pair, reading
from harness.data.folders import scan
from tests.data.made import classes, picture, read_image

SIZE = (16, 16)
KINDS = ("png", "jpeg", "bmp", "webp", "tiff", "ppm")
RGB = Preprocessing(size=SIZE, channels=3, mean=(0.5,) * 3, std=(0.5,) * 3)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return classes(tmp_path / "source")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return classes(tmp_path / "target", start=1000)


def test_class_folders_on_both_sides(source: Path, target: Path) -> None:
    domains, held_out = load_pair(str(source), str(target), size=SIZE)
    assert held_out is not None
    assert domains.classes == ("a", "b")
    assert domains.flip
    assert domains.name == "source to target"
    assert domains.source.labels.bincount().tolist() == [8, 8]
    assert domains.source_check.labels.bincount().tolist() == [2, 2]
    assert domains.target.shape == (14, 3, 16, 16)
    assert held_out.images.shape == (6, 3, 16, 16)
    assert len(held_out.labels) == 6
    images = [*domains.target[:], *held_out.images[:]]
    assert len({image.numpy().tobytes() for image in images}) == 20


def test_labels_follow_their_images(source: Path, target: Path) -> None:
    domains, held_out = load_pair(str(source), str(target), size=SIZE)
    assert held_out is not None
    for root, images, labels in (
        (source, domains.source.images, domains.source.labels),
        (target, held_out.images, held_out.labels),
    ):
        known = {
            domains.preprocessing.normalise(read_image(file, domains.preprocessing)[None]).numpy().tobytes(): label
            for label, name in enumerate("ab")
            for file in (root / name).iterdir()
        }
        assert [known[image.numpy().tobytes()] for image in images[:]] == labels.tolist()


def test_the_same_seed_gives_the_same_bytes(source: Path, target: Path) -> None:
    first, again, other = (load_pair(str(source), str(target), size=SIZE, seed=seed)[0] for seed in (1, 1, 2))
    assert first.digest == again.digest != other.digest


def test_a_flat_target_is_all_unlabelled(source: Path, tmp_path: Path) -> None:
    for index in range(12):
        picture(tmp_path / "flat" / f"{index}.jpg", index)
    domains, held_out = load_pair(str(source), str(tmp_path / "flat"), size=SIZE)
    assert held_out is None
    assert len(domains.target) == 12


def test_no_path_of_a_target_image_is_kept(source: Path, target: Path) -> None:
    domains, _ = load_pair(str(source), str(target), size=SIZE)
    assert str(target) not in repr(vars(domains))


def test_size_crop_and_progress(source: Path, target: Path) -> None:
    steps: list[tuple[int, int]] = []
    domains, _ = load_pair(
        str(source), str(target), size=(12, 20), progress=lambda done, total: steps.append((done, total))
    )
    assert domains.target.shape[1:] == (3, 12, 20)
    assert domains.preprocessing.shorter_side == 23
    assert steps == [(index + 1, 40) for index in range(40)]


def test_hidden_files_and_other_files_are_passed_over(source: Path, target: Path) -> None:
    picture(source / "a" / ".hidden.png", 1)
    (source / ".cache").mkdir()
    (source / "a" / "notes.txt").write_text("not an image")
    (source / "labels.csv").write_text("a,b")
    (source / "a" / "folder.png").mkdir()
    found = scan(source)
    assert found.classes == ("a", "b")
    assert len(found.files) == 20
    load_pair(str(source), str(target), size=SIZE)


def test_symlink_loops_end(source: Path, target: Path) -> None:
    (source / "a" / "loop").symlink_to(source)
    (source / "a" / "self.png").symlink_to("self.png")
    (source / "a" / "dangling.png").symlink_to(source / "b" / "missing.png")
    assert len(scan(source).files) == 20


def test_modes_orientation_and_uneven_sides_are_read(tmp_path: Path) -> None:
    for mode in ("L", "P", "RGBA", "LA", "1", "CMYK"):
        file = picture(tmp_path / f"{mode}.{'tif' if mode == 'CMYK' else 'png'}", 0, mode="RGB")
        Image.open(file).convert(mode).save(file)
        assert read_image(file, RGB).shape == (3, 16, 16)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    red_left = Image.new("RGB", (32, 32), "blue")
    red_left.paste("red", (0, 0, 16, 32))
    red_left.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    turned = read_image(tmp_path / "turned.jpg", RGB)
    assert turned[0, 0].float().mean() > 200 > 50 > turned[0, -1].float().mean()
    wide = picture(tmp_path / "wide.png", 0, size=(300, 20))
    assert read_image(wide, RGB).shape == (3, 16, 16)


def fails(match: str, source: Path, target: Path) -> None:
    with pytest.raises(DataError, match=match) as caught:
        load_pair(str(source), str(target), size=SIZE)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")


def test_a_path_that_is_neither_folder_nor_list_is_named(source: Path, target: Path, tmp_path: Path) -> None:
    fails("nowhere does not exist", tmp_path / "nowhere", target)
    fails("nowhere does not exist", source, tmp_path / "nowhere")
    fails("The list .*0.png cannot be read: it is not a text file", source / "a" / "0.png", target)


def test_no_images(source: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    fails("empty holds no images", source, tmp_path / "empty")


def test_an_empty_class_is_named(source: Path, target: Path) -> None:
    (target / "c").mkdir()
    fails(r"class folder .*target/c holds no images \(.*\.jpeg", source, target)
    (target / "c" / "deeper").mkdir()
    fails("target/c holds folders instead of images", source, target)


def test_a_class_mismatch_is_listed(source: Path, tmp_path: Path) -> None:
    other = classes(tmp_path / "other", "bcd")
    fails("differ: only in the source a, only in the target c, d.$", source, other)
    (other / "b").rename(other / "2026-01")
    fails("only in the target 2026-01, c, d; images without labels belong into one folder", source, other)


def test_a_single_class_is_refused(target: Path, tmp_path: Path) -> None:
    fails("only one class, 'a'", classes(tmp_path / "one", "a"), target)


def test_a_source_without_classes_is_refused(target: Path, tmp_path: Path) -> None:
    picture(tmp_path / "flat" / "0.png", 0)
    fails("holds images but no class folders", tmp_path / "flat", target)


def test_images_beside_class_folders_are_refused(source: Path, target: Path) -> None:
    picture(source / "loose.png", 0)
    fails("both images and class folders", source, target)


def test_too_few_images(source: Path, target: Path, tmp_path: Path) -> None:
    fails("holds too few images: 8, at least 10", source, classes(tmp_path / "few", count=4))
    picture(source / "c" / "0.png", 0)
    picture(target / "c" / "0.png", 0)
    fails("class 'c' of .*source holds too few images: 1", source, target)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"GIF89a\x01\x00\x01\x00"])
def test_an_unreadable_image_is_named(source: Path, target: Path, content: bytes) -> None:
    (target / "b" / "3.png").write_bytes(content)
    fails("target/b/3.png cannot be read", source, target)


def test_a_truncated_image_is_named(source: Path, target: Path) -> None:
    file = picture(source / "a" / "0.jpg", 0, size=(200, 200))
    file.write_bytes(file.read_bytes()[:3000])
    fails("source/a/0.jpg cannot be read: .*truncated", source, target)


def test_a_decompression_bomb_is_refused_before_it_is_unpacked(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_PIXELS", 400)
    fails("24 x 20 pixels are more than", source, target)
    monkeypatch.undo()
    Image.new("1", (20_000, 20_000)).save(source / "a" / "0.png")  # 400 million pixels in some kilobytes
    fails("source/a/0.png cannot be read: .*pixels", source, target)


def test_sliver_and_deep_pixels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one side of 100 x 4 pixels"):
        read_image(picture(tmp_path / "sliver.png", 0, size=(100, 4)), RGB)
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match="more than 8 bits"):
        read_image(tmp_path / "deep.png", RGB)


def test_only_a_header_of_billions_of_pixels_is_refused(tmp_path: Path) -> None:
    parts = (b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b""), b"IEND")
    chunks = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    (tmp_path / "bomb.png").write_bytes(content)
    with pytest.raises(DataError, match=r"bomb\.png cannot be read: it claims more than the 64 million pixels allowed"):
        read_image(tmp_path / "bomb.png", RGB)


@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_of_a_moving_picture_the_first_is_read(tmp_path: Path, ending: str) -> None:
    red, blue = (Image.new("RGB", (20, 20), colour) for colour in ("red", "blue"))
    red.save(tmp_path / f"moving.{ending}", save_all=True, append_images=[blue])
    assert read_image(tmp_path / f"moving.{ending}", RGB).float().mean((1, 2)).argmax() == 0


def test_what_palettes_and_other_channels_hold_as_transparent_is_read(tmp_path: Path) -> None:
    Image.new("P", (20, 20)).save(tmp_path / "palette.png", transparency=0)
    assert read_image(tmp_path / "palette.png", RGB).shape == (3, 16, 16)


def test_impossible_sizes_are_refused(source: Path, target: Path) -> None:
    with pytest.raises(DataError, match="0 x 16 pixels"):
        load_pair(str(source), str(target), size=(0, 16))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["png", "jpeg", "bmp", "webp", "tiff", "ppm"]), cut=st.floats(0, 1), byte=st.integers(0, 255)
)
def test_a_damaged_file_is_read_or_refused_in_words(tmp_path: Path, kind: str, cut: float, byte: int) -> None:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    position = min(int(cut * len(content)), len(content) - 1)
    content[position] = byte
    for damaged in (bytes(content), bytes(content[:position])):
        file = tmp_path / f"damaged.{kind}"
        file.write_bytes(damaged)
        image, error = None, ""
        try:
            image = read_image(file, RGB)
        except DataError as caught:
            error = str(caught)
        if image is None:
            assert str(file) in error
        else:
            assert image.shape == (3, 16, 16)
            assert image.dtype == torch.uint8
