"""The table of a what-if."""

from __future__ import annotations

import dataclasses

from rich.console import Console

from harness.report import PlannedAnswer, planned_table

ANSWER = PlannedAnswer(
    budget="7ms",
    arch_id="0123456789ab",
    widths="8-16",
    macs=1_230_000,
    upem=0.1234,
    predicted_ms=6.5,
    predicted_low_ms=6.0,
    predicted_high_ms=7.1,
    interval_within=False,
    predicted_memory_mb=None,
    predicted_model_mb=0.5,
    predicted_energy_mj=None,
)


def told(*answers: PlannedAnswer, width: int = 80) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(planned_table(["pi", "4 threads"], answers, ["latency: 3.0% off"]))
    return capture.get()


def test_every_figure_and_its_interval_fit_a_narrow_terminal() -> None:
    text = told(ANSWER)
    for words in (
        "pi · 4 threads",
        "7ms",
        "0123456789ab",
        "1.23 M",
        "0.1234",
        "~6.50",
        "6.00–7.10",
        "latency: 3.0% off",
    ):
        assert words in text
    assert "…" not in text


def test_an_interval_that_reaches_beyond_the_limit_is_borderline() -> None:
    assert "borderline" in told(ANSWER)
    assert "borderline" not in told(dataclasses.replace(ANSWER, interval_within=True))
    assert "within" not in told(dataclasses.replace(ANSWER, interval_within=None))


def test_what_is_known_of_none_has_no_column_and_what_is_unknown_of_one_is_no_zero() -> None:
    assert "Memory" not in told(ANSWER)
    both = told(ANSWER, dataclasses.replace(ANSWER, budget="9ms", predicted_memory_mb=3.25))
    assert "Memory" in both
    assert "3.25" in both
    assert "–" in next(line for line in both.splitlines() if "7ms" in line)


def test_a_latency_that_cannot_be_believed_is_unknown() -> None:
    unknown = dataclasses.replace(ANSWER, predicted_ms=None, predicted_low_ms=None, predicted_high_ms=None)
    line = next(line for line in told(unknown).splitlines() if "7ms" in line)
    assert "~" not in line
    assert "–" in line
