"""The embedded digits: deterministic, made in memory, rightly labelled, resembling the target without its labels."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits as sklearn_digits
from sklearn.svm import SVC

import harness.data.digits as digits
from harness.data import Domains, Images, TargetLabels, load_digits
from harness.data.glyphs import HELD_OUT_FONTS, TRAINING_FONTS, draw_shapes, skeletons

SMALL = {"source_count": 1200, "check_count": 400}


@pytest.fixture(scope="module")
def loaded() -> tuple[Domains, TargetLabels]:
    return load_digits(3, **SMALL)


def flat(images: Images) -> np.ndarray:
    return images[:].numpy().reshape(len(images), -1)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(loaded: tuple[Domains, TargetLabels]) -> None:
    again, other = load_digits(3, **SMALL), load_digits(4, **SMALL)
    assert again[0].digest == loaded[0].digest
    assert torch.equal(again[1].images[:], loaded[1].images[:])
    assert torch.equal(again[1].labels, loaded[1].labels)
    assert other[0].digest != loaded[0].digest
    assert not torch.equal(other[0].source.images[:], loaded[0].source.images[:])
    assert not torch.equal(other[0].target[:], loaded[0].target[:])


def test_shapes_types_and_classes_are_as_the_network_needs_them(loaded: tuple[Domains, TargetLabels]) -> None:
    domains, held_out = loaded
    for images in (domains.source.images, domains.source_check.images, domains.target, held_out.images):
        assert images.shape[1:] == (1, 16, 16)
        assert images[:].dtype == torch.float32
        assert images[:].isfinite().all()
    assert domains.classes == tuple("0123456789")
    assert domains.source.labels.bincount().tolist() == [120] * 10
    assert domains.source_check.labels.bincount().tolist() == [40] * 10
    assert abs(domains.source.images[:].mean().item()) < 1e-3
    assert abs(domains.source.images[:].std().item() - 1) < 1e-3


def test_the_target_split_is_a_partition_of_all_handwritten_digits(loaded: tuple[Domains, TargetLabels]) -> None:
    domains, held_out = loaded
    unlabelled, reported = ({row.tobytes() for row in flat(part)} for part in (domains.target, held_out.images))
    assert (len(domains.target), len(held_out.images)) == (1258, 539)
    assert not unlabelled & reported
    everything = torch.from_numpy(sklearn_digits().images.astype(np.float32))
    raw = domains.preprocessing.normalise(digits._upsample(everything))
    assert unlabelled | reported == {row.tobytes() for row in flat(raw)}


def test_held_out_labels_belong_to_their_images(loaded: tuple[Domains, TargetLabels]) -> None:
    domains, held_out = loaded
    bunch = sklearn_digits()
    raw = domains.preprocessing.normalise(digits._upsample(torch.from_numpy(bunch.images.astype(np.float32))))
    label_of = {row.tobytes(): label for row, label in zip(flat(raw), bunch.target.tolist(), strict=True)}
    assert [label_of[row.tobytes()] for row in flat(held_out.images)] == held_out.labels.tolist()


def test_scrambled_target_labels_change_nothing_that_adaptation_sees(
    loaded: tuple[Domains, TargetLabels], monkeypatch: pytest.MonkeyPatch
) -> None:
    bunch = sklearn_digits()
    bunch.target = np.random.default_rng(0).permutation(bunch.target)
    monkeypatch.setattr(digits, "sklearn_digits", lambda: bunch)
    domains, held_out = load_digits(3, **SMALL)
    assert domains.digest == loaded[0].digest
    assert torch.equal(held_out.images[:], loaded[1].images[:])
    assert not torch.equal(held_out.labels, loaded[1].labels)


def test_a_simple_classifier_of_the_source_reads_digits_of_unseen_fonts(loaded: tuple[Domains, TargetLabels]) -> None:
    source, check = loaded[0].source, loaded[0].source_check
    classifier = SVC(C=5).fit(flat(source.images), source.labels.numpy())
    assert classifier.score(flat(check.images), check.labels.numpy()) > 0.65


def test_unlabelled_statistics_of_source_and_target_are_close(loaded: tuple[Domains, TargetLabels]) -> None:
    domains = loaded[0]
    means = [part[:].mean((0, 1)) for part in (domains.source.images, domains.target)]
    inks = [part[:].mean((1, 2, 3)) for part in (domains.source.images, domains.target)]
    assert (means[0] - means[1]).abs().mean() < 0.2  # of a standard deviation; font digits as drawn are at 0.6
    assert abs(inks[0].mean() - inks[1].mean()) < 0.05
    assert 0.7 < (inks[0].std() / inks[1].std()).item() < 1.4


def test_loading_writes_no_file_and_opens_no_connection() -> None:
    seen: list[str] = []
    watching = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if not watching:
            return
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if writes or event.startswith("socket.") or event in ("os.mkdir", "os.rename"):
            seen.append(f"{event} {arguments[0]}")

    sys.addaudithook(hook)
    try:
        load_digits(5, source_count=50, check_count=20)
    finally:
        watching = False
    assert seen == []


def test_every_font_draws_ten_different_digits_of_full_height() -> None:
    for font in (*TRAINING_FONTS, *HELD_OUT_FONTS):
        shapes = draw_shapes((font,))
        own = (shapes.outline > 0)[~shapes.lookalike]
        labels = shapes.labels[~shapes.lookalike].tolist()
        assert labels == list(range(1 if font.startswith("DejaVuSansMono") else 0, 10))
        assert len({mask.tobytes() for mask in own}) == len(own)
        rows = own.any(2).sum(1)
        assert rows.min() >= 38
        assert rows.max() <= 41


def test_no_lookalike_is_the_box_of_a_missing_character() -> None:
    """Two different missing characters draw the same box, so look-alikes of one font must all differ."""
    for font in (*TRAINING_FONTS, *HELD_OUT_FONTS):
        shapes = draw_shapes((font,))
        masks = (shapes.outline > 0)[shapes.lookalike]
        assert len({mask.tobytes() for mask in masks}) == len(masks)


def test_training_and_held_out_fonts_are_disjoint() -> None:
    assert not set(TRAINING_FONTS) & set(HELD_OUT_FONTS)


def test_a_skeleton_is_thin_inside_its_shape_and_in_one_piece() -> None:
    from scipy.ndimage import label

    ring = np.zeros((1, 40, 40), bool)
    ring[0, 5:35, 8:32] = True
    ring[0, 12:28, 15:25] = False
    thin = skeletons(ring)
    assert not (thin & ~ring).any()
    assert thin.sum() < ring.sum() / 4
    assert label(thin[0], np.ones((3, 3)))[1] == 1
    assert label(~thin[0])[1] == 2  # the hole is still a hole


def test_block_counts_are_whole_numbers_from_0_to_16() -> None:
    blocks, labels = digits.render(draw_shapes(HELD_OUT_FONTS), 60, np.random.default_rng(0))
    assert blocks.shape == (60, 8, 8)
    assert labels.dtype == torch.int64
    assert torch.equal(blocks, blocks.round())
    assert blocks.min() == 0
    assert blocks.max() == 16
