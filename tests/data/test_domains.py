"""Domains hide the target's labels, and Preprocessing survives its JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.data import Domains, LabelledImages, Preprocessing, TargetLabels, load_digits

GREY = Preprocessing(size=(16, 16), channels=1, mean=(0.5,), std=(0.25,), value_scale=16.0)


def reachable(thing: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Everything that can be reached from `thing` by attributes, items and the bases of tensors."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, type):
        return
    seen.add(id(thing))
    yield thing
    parts: list[Any] = []
    if isinstance(thing, dict):
        parts += [*thing.keys(), *thing.values()]
    elif isinstance(thing, (list, tuple, set, frozenset)):
        parts += list(thing)
    elif isinstance(thing, torch.Tensor):
        parts += [thing._base] if thing._base is not None else []
    parts += list(getattr(thing, "__dict__", {}).values())
    for part in parts:
        yield from reachable(part, seen)


@pytest.fixture(scope="module")
def loaded() -> tuple[Domains, TargetLabels]:
    return load_digits(0, source_count=300, check_count=100)


def test_nothing_reachable_from_domains_holds_target_labels_or_held_out_images(
    loaded: tuple[Domains, TargetLabels],
) -> None:
    domains, report_only = loaded
    assert domains.digest
    things = list(reachable(domains))
    tensors = [thing for thing in things if isinstance(thing, torch.Tensor)]
    allowed = (domains.source.labels, domains.source_check.labels)
    integers = [tensor for tensor in tensors if not tensor.is_floating_point()]
    assert {id(tensor) for tensor in integers} == {id(labels) for labels in allowed}
    assert not any(isinstance(thing, TargetLabels) for thing in things)
    held_out = {image.numpy().tobytes() for image in report_only.images[:]}
    for tensor in tensors:
        assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()  # no more behind the view
        if tensor.is_floating_point():
            assert not held_out & {image.numpy().tobytes() for image in tensor}


def test_the_walk_would_find_hidden_target_labels(loaded: tuple[Domains, TargetLabels]) -> None:
    domains, report_only = loaded
    leaky = dataclasses.replace(domains)
    leaky.__dict__["notes"] = {"hidden": [report_only]}
    assert any(isinstance(thing, TargetLabels) for thing in reachable(leaky))


def test_domains_cannot_be_changed(loaded: tuple[Domains, TargetLabels]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded[0].target = torch.zeros(1)  # type: ignore[misc]


def tiny(**changes: Any) -> Domains:
    images = torch.arange(2 * 4, dtype=torch.float32).view(2, 1, 2, 2)
    fields: dict[str, Any] = {
        "name": "tiny",
        "classes": ("a", "b"),
        "preprocessing": GREY,
        "source": LabelledImages(images, torch.tensor([0, 1])),
        "source_check": LabelledImages(images + 1, torch.tensor([0, 1])),
        "target": images + 2,
    }
    return Domains(**{**fields, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"classes": ("a", "c")},
        {"classes": ("ab",)},
        {"flip": True},
        {"preprocessing": GREY.model_copy(update={"mean": (0.4,)})},
        {"target": torch.zeros(2, 1, 2, 2)},
        {"target": tiny().target[:].reshape(2, 1, 1, 4)},
        {"source": LabelledImages(tiny().source.images, torch.tensor([1, 0]))},
        {"source_check": tiny().source},
    ],
)
def test_the_digest_changes_with_every_part(changes: dict[str, Any]) -> None:
    assert tiny(**changes).digest != tiny().digest
    assert tiny().digest == tiny().digest
    of_source = not {"name", "target"} & set(changes)
    assert (tiny(**changes).source_digest != tiny().source_digest) is of_source


def test_as_many_labels_as_images_are_needed() -> None:
    with pytest.raises(ValueError, match="2 images but 3 labels"):
        LabelledImages(torch.zeros(2, 1, 4, 4), torch.zeros(3, dtype=torch.int64))


unit = st.floats(0.01, 1.0)


@given(
    size=st.tuples(st.integers(1, 512), st.integers(1, 512)),
    channels=st.sampled_from([1, 3]),
    values=st.lists(unit, min_size=6, max_size=6),
    scale=st.floats(0.5, 65535),
    crop=st.booleans(),
)
def test_preprocessing_survives_json(
    size: tuple[int, int], channels: Any, values: list[float], scale: float, crop: bool
) -> None:
    preprocessing = Preprocessing(
        size=size,
        channels=channels,
        mean=tuple(values[:channels]),
        std=tuple(values[3 : 3 + channels]),
        value_scale=scale,
        resize="shorter-side-then-crop" if crop else "stretch",
        shorter_side=max(size) + 3 if crop else None,
    )
    assert Preprocessing.model_validate_json(preprocessing.to_json()) == preprocessing


def test_normalise_scales_then_standardises() -> None:
    raw = torch.tensor([0.0, 8.0, 16.0]).view(3, 1, 1, 1)
    assert GREY.normalise(raw).flatten().tolist() == [-2.0, 0.0, 2.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"size":[16,16],"channels":2,"mean":[0.5],"std":[1]}', "channels"),
        ('{"size":[16,16],"channels":3,"mean":[0.5],"std":[1]}', "3 value"),
        ('{"size":[0,16],"channels":1,"mean":[0.5],"std":[1]}', "size must be positive"),
        ('{"size":[16,16],"channels":1,"mean":[0.5],"std":[0]}', "std must be positive"),
        ('{"size":[16,16],"channels":1,"mean":[0.5],"std":[1],"shorter_side":20}', "shorter_side"),
        (
            '{"size":[16,16],"channels":1,"mean":[0.5],"std":[1],"resize":"shorter-side-then-crop","shorter_side":9}',
            "smaller than the crop",
        ),
        ('{"size":[16,16],"channels":1,"mean":[0.5],"std":[1],"colour":"red"}', "colour"),
    ],
)
def test_a_description_of_no_possible_preprocessing_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Preprocessing.model_validate_json(text)


def test_calibration_takes_all_small_images_and_as_many_large_ones_as_fit() -> None:
    def domains(count: int, side: int) -> Domains:
        blank = LabelledImages(torch.zeros(2, 1, 16, 16), torch.tensor([0, 1]))
        preprocessing = Preprocessing(size=(side, side), channels=1, mean=(0.0,), std=(1.0,))
        images = torch.zeros(1, 1, 1, 1).expand(count, 1, side, side)
        return Domains("x", ("a", "b"), preprocessing, blank, blank, images)

    assert len(domains(1257, 16).calibration) == 1257
    assert len(domains(1000, 224).calibration) == 2**25 // 224**2
    assert len(domains(100, 4096).calibration) == 64
