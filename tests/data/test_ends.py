"""What --source and --target may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data import NAMES, DataError, load_pair
from harness.data.ends import PathEnd, PhotographEnd, SmallEnd, named_pair, parse_end


def test_every_set_of_the_catalogue_can_be_named() -> None:
    assert set(NAMES) == {
        *("mnist", "usps", "svhn", "cifar10"),
        *("office31", "officehome", "imageclef-da", "visda2017", "domainnet", "pacs"),
    }
    assert parse_end("mnist") == SmallEnd("mnist")
    amazon = parse_end("office31:amazon")
    assert isinstance(amazon, PhotographEnd)
    assert amazon.label == "office31:amazon"


def test_corruptions_have_their_severity_in_their_label() -> None:
    assert parse_end("cifar10:fog-3") == SmallEnd("cifar10", "fog", 3)
    blurred = parse_end("cifar10:blur")
    assert isinstance(blurred, SmallEnd)
    assert blurred.label == "cifar10:blur-5"


def test_a_known_name_wins_over_a_path_and_a_path_can_be_told_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mnist").mkdir()
    monkeypatch.chdir(tmp_path)
    assert parse_end("mnist") == SmallEnd("mnist")
    assert parse_end("./mnist") == PathEnd(Path("mnist"))
    assert named_pair("mnist->usps") == ("mnist", "usps")
    assert named_pair("./mnist->usps") is None


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere", "nowhere does not exist as an image folder or image list, nor .*known by name: mnist, usps"),
        ("office31", "office31 names no domain of office31; it has office31:amazon, office31:dslr, office31:webcam"),
        ("office31:phone", "it has office31:amazon"),
        ("mnist:red", "mnist:red names no domain of mnist; it has none, only mnist"),
        ("cifar10:rain", "it has cifar10:corrupted, cifar10:noise, .*severity as in cifar10:fog-3"),
        ("cifar10:fog-6", "cifar10:fog-6 names no domain"),
    ],
)
def test_what_cannot_be_named_is_told_with_what_can(spec: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_end(spec)


def test_names_need_a_data_root() -> None:
    with pytest.raises(DataError, match="--data-root is needed for mnist to usps"):
        load_pair("mnist", "usps")
