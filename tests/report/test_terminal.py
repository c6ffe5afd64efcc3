import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from harness.report import Row, closing_tables

from .factory import BUDGETS, tradeoff, unmeasured


def printed(rows: Sequence[Row], width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    for table in closing_tables(rows, width=width):
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def line_of(text: str, budget: str) -> str:
    return next(line for line in text.splitlines() if line.split()[:1] == [budget])


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("labels", [False, True])
def test_nothing_is_cut_off_at_usual_widths(width: int, labels: bool) -> None:
    rows = tradeoff(labels=labels)
    text = printed(rows, width)
    assert "…" not in text
    for chosen in (row for row in rows if row.selected == "yes"):
        assert chosen.arch_id in line_of(text, chosen.budgets[0])
    assert ("Accuracy" in text) == labels
    assert (rows[-1].widths in text) == (width == 140 or (width == 100 and not labels))


def test_a_line_says_what_was_found() -> None:
    rows = tradeoff(labels=True)
    found: dict[str, Any] = {"host_p50_ms": 0.0236, "host_ci_low_ms": 0.0229, "host_ci_high_ms": 0.0244, "upem": 0.23}
    found |= {"target_accuracy": 0.77, "accuracy_ci_low": 0.736, "accuracy_ci_high": 0.8, "agreement": 0.998}
    rows[-2] = dataclasses.replace(rows[-2], host_p99_ms=None, **found)
    lines = printed(rows).splitlines()
    index = next(i for i, line in enumerate(lines) if line.split()[:1] == ["1/32"])
    assert lines[index].split()[2:] == ["182", "k", "3.1%", "23.6", "0.2300", "99.8%", "77.0%", "yes"]
    assert lines[index + 1].split() == ["363", "k", "1/32", "22.9–24.4", "73.6–80.0"]
    assert "p50, µs" in "\n".join(lines)


def test_budgets_are_in_order_and_a_row_answers_each_of_its_own() -> None:
    rows = tradeoff()
    rows[-5] = dataclasses.replace(rows[-5], budget="1/4;0.06ms")
    text = printed(rows)
    first_words = [line.split()[0] for line in text.splitlines() if line.split()]
    assert [word for word in first_words if word in (*BUDGETS, "0.06ms")] == [*BUDGETS, "0.06ms"]
    assert rows[-5].arch_id in line_of(text, "1/4")
    assert rows[-5].arch_id in line_of(text, "0.06ms")


def test_a_failure_has_a_reason_and_no_number() -> None:
    rows = tradeoff()
    rows[-1] = unmeasured(
        rows[-1], status="failed", reason="[bold]out of memory", within_budget=None, predicted_ms=7.77
    )
    text = printed(rows)
    assert "1/64 failed: [bold]out of memory" in text
    assert "7.77" not in text
    assert "7770" not in text


def test_an_estimate_is_never_shown_as_measured() -> None:
    rows = [unmeasured(row, cost_source="estimated", predicted_ms=7.77) for row in tradeoff()]
    text = printed(rows)
    assert text.count("~7.77") == text.count("estimated") == 7


def test_every_device_has_a_table_and_shared_settings_are_said_once() -> None:
    precise = tradeoff(device="pi5", threads=4)
    coarse = [dataclasses.replace(row, precision="int8") for row in precise]
    first, second = closing_tables([*tradeoff(), *precise, *coarse], width=100)
    assert str(first.title) == "cpu · onnxruntime 1.31.1 · 1 thread · fp32 · batch 1"
    assert str(second.title) == "pi5 · onnxruntime 1.31.1 · 4 threads · batch 1"
    assert second.row_count == 14
    table = printed(coarse + precise).partition("lowest UPEM")[0]
    assert table.count("int8") == 7
    assert closing_tables([]) == []


def test_of_several_configurations_the_one_that_loses_least_within_a_budget_is_named() -> None:
    single, batch = tradeoff(), tradeoff(batch_size=8)
    single[-1] = dataclasses.replace(single[-1], upem=0.3)
    batch[-1] = dataclasses.replace(batch[-1], upem=0.25)
    batch[-2] = dataclasses.replace(batch[-2], upem=0.0, within_budget="no")
    text = printed([*single, *batch], 140)
    assert "1/64: lowest UPEM within it is 0.2500, by batch 8" in text
    assert f"1/32: lowest UPEM within it is {single[-2].upem:.4f}, by batch 1" in text, "what misses it does not count"
    assert "lowest UPEM" not in printed(single, 140)
