"""A cost model in sentences: its errors on what it had not seen, its device's steps, and nothing it does not know."""

from __future__ import annotations

import pytest

from harness.report import cost_sentences

from .cost_models import OWN, cost_model


def test_errors_on_unseen_networks_stand_beside_those_of_one_figure_alone() -> None:
    errors, _ = cost_sentences("cpu int8", cost_model())
    assert errors == (
        "cost model of cpu int8: off by 1.8% on 21 networks measured after the fit (90%: 4.1%, 99%: 6.1%, rank "
        "correlation 0.991, 95% intervals held 20 of 21); multiply-adds alone 9.1%, parameters alone 240%"
    )


def test_a_rank_correlation_that_there_is_none_of_is_no_number() -> None:
    errors, _ = cost_sentences("cpu", cost_model(held_out={**OWN, "count": 2, "rank_correlation": None}))
    assert "rank correlation –," in errors


def test_the_blocks_and_the_narrowest_run_of_every_stage_are_said() -> None:
    _, steps = cost_sentences("cpu", cost_model())
    assert steps == (
        "cpu computes channels in blocks of 16, so that some widths cost nothing extra: in stage 1 16 channels cost no "
        "more than 4, in stage 3 32 channels cost no more than 18 (run.json lists all such runs: 3 of stages, 1 of "
        "inner widths)"
    )


@pytest.mark.parametrize(
    ("size", "steps", "said"),
    [
        (1, {}, "no steps of channels were found on cpu"),
        (8, {}, "cpu computes channels in blocks of 8; no widths were found that surely cost nothing extra"),
        (
            8,
            {"stage1.block1.inner1": [(4, 8)]},
            "cpu computes channels in blocks of 8, so that some inner widths of blocks cost nothing extra (run.json "
            "lists them)",
        ),
    ],
)
def test_what_the_model_does_not_know_is_not_said(
    size: int, steps: dict[str, list[tuple[int, int]]], said: str
) -> None:
    _, sentence = cost_sentences("cpu", cost_model(blocks={"size": size, "align": 1}, steps=steps))
    assert sentence == said


def test_the_stem_is_named_like_a_stage() -> None:
    _, sentence = cost_sentences("pi5", cost_model(steps={"stem": [(8, 16)]}))
    assert "nothing extra: in stem 16 channels cost no more than 8 (" in sentence


def test_inputs_that_must_fit_are_said() -> None:
    _, sentence = cost_sentences("pi5", cost_model(blocks={"size": 16, "align": 8}, steps={}))
    assert sentence.startswith("pi5 computes channels in blocks of 16 where inputs are a multiple of 8; no widths")
