"""What is faster at the same or lower UPEM, as terminal and page show it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.report import Comparison, Versus, comparison_table, write_page

from .factory import tradeoff
from .test_page import Page

FASTER: dict[str, Any] = {"partner_ms": 4.0, "speedup": 1.5, "low": 1.42, "high": 1.58}


def comparison(**changes: Any) -> Comparison:
    known: dict[str, Any] = {
        **FASTER,
        "budget": "1/4",
        "flops_chosen": "aaaaaaaaaaaa",
        "flops_upem": 0.2,
        "flops_ms": 6.0,
        "flops_within": "yes",
        "partner": "bbbbbbbbbbbb",
        "partner_upem": 0.15,
    }
    return Comparison(**(known | changes))


SAME = comparison(budget="1/8", partner="aaaaaaaaaaaa", partner_upem=0.2, partner_ms=6.0, speedup=1, low=1, high=1)
FAILED = comparison(budget="1/16", partner_ms=None, speedup=None, low=None, high=None, reason="[bold]it fell")


@pytest.fixture
def shown() -> str:
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(comparison_table("cpu int8", [comparison(), SAME, FAILED]))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def line(text: str, budget: str, further: int = 0) -> list[str]:
    lines = text.splitlines()
    place = next(i for i, line in enumerate(lines) if line.split()[:1] == [budget])
    return lines[place + further].split()


def test_the_terminal_says_how_much_faster_and_at_which_loss(shown: str) -> None:
    assert "cpu int8 · at the same or lower UPEM than the FLOPs-chosen subnet" in shown
    assert line(shown, "1/4") == ["1/4", "aaaaaaaaaaaa", "6.00", "bbbbbbbbbbbb", "4.00", "1.50×"]
    assert line(shown, "1/4", 1) == ["UPEM", "0.2000", "UPEM", "0.1500", "1.42–1.58"]
    assert "…" not in shown


def test_the_same_subnet_is_said_to_be_the_same(shown: str) -> None:
    assert line(shown, "1/8") == ["1/8", "aaaaaaaaaaaa", "6.00", "the", "same", "subnet", "6.00", "1.00×"]


def test_a_flops_chosen_subnet_that_misses_the_budget_is_marked() -> None:
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(comparison_table("cpu", [comparison(flops_within="no"), SAME]))
    assert isinstance(console.file, io.StringIO)
    assert line(console.file.getvalue(), "1/4", 1)[2:4] == ["over", "budget"]
    assert console.file.getvalue().count("over budget") == 1


def test_what_is_not_known_has_a_reason_and_no_number(shown: str) -> None:
    assert line(shown, "1/16") == ["1/16", "aaaaaaaaaaaa", "6.00", "bbbbbbbbbbbb", "–", "–"]
    assert "1/16: [bold]it fell" in shown


def test_one_process_has_no_interval() -> None:
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(comparison_table("cpu", [comparison(low=None, high=None)]))
    assert isinstance(console.file, io.StringIO)
    assert line(console.file.getvalue(), "1/4", 1) == ["UPEM", "0.2000", "UPEM", "0.1500"]


def test_the_page_has_them_too_and_what_loses_less_at_the_same_latency(tmp_path: Path) -> None:
    other = Versus(partner="cccccccccccc", partner_upem=0.12, **FASTER)
    found = {"<cpu>": [comparison(same_latency=other), FAILED]}
    write_page(tradeoff(), tmp_path / "report.html", title="", comparisons=found)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "<cpu> at the same or lower UPEM than the FLOPs-chosen subnet" in page.headings
    first, failed = (own for own in page.lines if own[1].startswith("aaaaaaaaaaaa"))
    assert first[0].startswith("1/4")
    assert first[3] == "bbbbbbbbbbbb | UPEM 0.1500"
    assert first[5] == "1.50× | 1.42–1.58"
    assert first[6] == "cccccccccccc | UPEM 0.1200"
    assert failed[5] == "– | [bold]it fell"


def test_a_speed_up_is_a_positive_number() -> None:
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="speedup"):
            comparison(speedup=wrong)
