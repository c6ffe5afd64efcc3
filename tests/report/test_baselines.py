"""Networks of other families beside the subnets: named everywhere, told apart, and never where UPEM is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from matplotlib.text import Text
from rich.console import Console

from harness.report import Row, closing_tables, mark_front, write_page
from harness.report.picture import tradeoff_figure

from .factory import row, tradeoff, unmeasured

NAME, ID = "shufflenet_v2_x0_5", "abcdef012345"
NAMES = {ID: NAME}


def baseline(labels: bool = True, **changes: Any) -> Row:
    known: dict[str, Any] = {"arch_id": ID, "widths": "24-24-48", "macs": 15_430_000, "compute_fraction": 2.616}
    known |= {"upem": None, "agreement": 1.0, "processes": 6, "samples": 900, "host_p50_ms": 0.2}
    known |= {"host_ci_low_ms": 0.19, "host_ci_high_ms": 0.21}
    if labels:
        known |= {"target_accuracy": 0.66, "accuracy_ci_low": 0.6, "accuracy_ci_high": 0.7}
    return row(**(known | changes))


def failed(**changes: Any) -> Row:
    known = {"status": "failed", "reason": "it diverged", "agreement": None, "target_accuracy": None}
    known |= {"accuracy_ci_low": None, "accuracy_ci_high": None, "samples": None, "processes": None}
    return unmeasured(baseline(), **known, **changes)


def printed(rows: list[Row], width: int = 100) -> str:
    out = io.StringIO()
    console = Console(width=width, file=out, color_system=None)
    for table in closing_tables(rows, width=width, baselines=NAMES):
        console.print(table)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("labels", [False, True])
def test_the_closing_table_has_a_line_below_the_budgets(width: int, labels: bool) -> None:
    text = printed([*tradeoff(labels=labels), baseline(labels)], width)
    lines = text.splitlines()
    narrow = width == 80 and labels
    index = next(i for i, line in enumerate(lines) if ("shufflenet_v2 " if narrow else NAME) in line)
    assert index > next(i for i, line in enumerate(lines) if line.split()[:1] == ["1/64"])
    assert "15.4 M" in lines[index]
    assert ("262%" in lines[index]) == (width == 140 or (width == 100 and not labels)), "narrow ones do without"
    assert ID in lines[index + 1 + narrow]
    assert ("_x0_5" in lines[index + 1]) == narrow
    assert ("66.0%" in lines[index]) == labels
    assert "24-24-48" not in text
    assert "…" not in text


def test_the_closing_table_gives_the_reason_of_a_failure() -> None:
    assert f"{NAME} failed: it diverged" in printed([*tradeoff(), failed()])


def test_it_is_on_no_front_and_takes_nobody_off_it() -> None:
    rows = tradeoff()
    marked = mark_front([*rows, baseline(host_p50_ms=0.0001, host_ci_low_ms=0.0001, host_ci_high_ms=0.0001)])
    assert marked[-1].on_front == "no"
    assert marked[:-1] == mark_front(rows)


def test_the_page_names_it_with_a_link_to_its_file(tmp_path: Path) -> None:
    write_page([*tradeoff(labels=True), baseline()], tmp_path / "page.html", title="t", baselines=NAMES)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f'<td>{NAME}</td><td><a href="subnets/{ID}-fp32-b1.onnx">{ID}</a>' in page
    write_page([*tradeoff(labels=True), failed()], tmp_path / "page.html", title="t", baselines=NAMES)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"<td>{ID}<small>" in page, "there is no file"
    assert "it diverged" in page


def words(rows: list[Row]) -> list[str]:
    figure = tradeoff_figure(rows, title="t", baselines=NAMES)
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]


def test_the_picture_names_it_where_accuracy_is_shown_and_not_where_upem_is() -> None:
    assert words([*tradeoff(labels=True), baseline()]).count(NAME) == 2  # against latency and against multiply-adds
    assert words([*tradeoff(), baseline(labels=False)]).count(NAME) == 0
    figure = tradeoff_figure([*tradeoff(labels=True), baseline()], title="t", baselines=NAMES)
    stars = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "*"]
    assert len(stars) == 2


def test_the_picture_says_what_is_in_doubt_or_failed() -> None:
    doubtful = baseline(status="noisy", reason="±12%")
    assert f"{NAME} · noisy" in words([*tradeoff(labels=True), doubtful])
    assert any(f"× {NAME} failed on cpu: it diverged" in text for text in words([*tradeoff(labels=True), failed()]))
