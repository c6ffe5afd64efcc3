"""Baselines from strangers: read, or refused in one sentence, whatever their description claims."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from harness.bank import Baseline, BaselineError, create_baseline, load_baseline, save_baseline
from harness.bank.baseline_storage import DESCRIPTION, WEIGHTS
from tests.hostile import damaged, mutated, read_or_refused, refusal


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_baseline(Baseline.of(create_baseline("shufflenet_v2_x0_5", ("a", "b"), (1, 16, 16))), folder, {"seed": 3})
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "copy")


def claim(folder: Path, **claims: Any) -> None:
    path = folder / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | claims))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_description_is_read_or_refused_in_one_sentence(saved: Path, data: st.DataObject) -> None:
    path = saved / DESCRIPTION
    content = path.read_bytes()
    try:
        path.write_bytes(data.draw(mutated(json.loads(content)) | damaged(content)))
        read_or_refused(lambda: load_baseline(saved), BaselineError)
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize(
    "claims", [{"input_shape": [60_000, 16, 16]}, {"classes": ["x"] * 100_000}], ids=lambda claims: next(iter(claims))
)
def test_what_would_not_fit_into_memory_is_refused_before_it_is_made(folder: Path, claims: dict[str, Any]) -> None:
    claim(folder, **claims)
    assert "do not fit shufflenet_v2_x0_5" in refusal(lambda: load_baseline(folder), BaselineError)


def test_images_of_any_size_take_no_memory_until_there_are_some(folder: Path) -> None:
    claim(folder, input_shape=[1, 60_000, 60_000])
    assert load_baseline(folder).spec.input_shape == (1, 60_000, 60_000)


def test_counters_of_batches_may_be_missing_and_weights_of_half_precision(folder: Path) -> None:
    kept = {n: w.half() for n, w in load_file(folder / WEIGHTS).items() if not n.endswith("num_batches_tracked")}
    save_file(kept, folder / WEIGHTS)
    answers = load_baseline(folder).module(torch.zeros(2, 1, 16, 16))
    assert answers.dtype == torch.float32
    assert answers.isfinite().all()


def test_weights_that_are_not_finite_are_named(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["classifier.bias"][0] = math.nan
    save_file(weights, folder / WEIGHTS)
    assert "classifier.bias holds numbers that are not" in refusal(lambda: load_baseline(folder), BaselineError)
