import dataclasses
import json
import os
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harness.report import Row, mark_front, write_page
from harness.report.chart import tradeoff_chart

from .factory import BUDGETS, row, tradeoff, unmeasured

VOID = {"meta", "br", "wbr", "link", "img"}


class Page(HTMLParser):
    """A page as a browser sees it: tags with attributes, table cells, list items and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.lines: list[list[str]] = []
        self.items: list[str] = []
        self.headings: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        for name, started in (("li", self.items), ("h2", self.headings), ("script", self.scripts)):
            if tag == name:
                started.append("")
        if tag == "tr":
            self.lines.append([])
        if tag in ("td", "th"):
            self.lines[-1].append("")
        if tag == "small":
            self.lines[-1][-1] += " | "

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for name, texts in (("li", self.items), ("h2", self.headings), ("script", self.scripts)):
            if name in self.open:
                texts[-1] += data
        if "td" in self.open or "th" in self.open:
            self.lines[-1][-1] += data

    def attributes(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]

    def traces(self) -> list[dict[str, Any]]:
        """Return what is handed to Plotly to draw."""
        call = re.search(r'Plotly\.newPlot\(\s*"tradeoff",\s*', self.scripts[-1])
        assert call is not None
        traces: list[dict[str, Any]] = json.JSONDecoder().raw_decode(self.scripts[-1], call.end())[0]
        return traces


def written(rows: Sequence[Row], folder: Path, notes: Sequence[str] = (), title: str = "What it costs") -> Page:
    write_page(rows, folder / "report.html", title=title, notes=notes)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def drawn(figure: Any, name: str, large: bool) -> list[tuple[float | None, float | None]]:
    """Return the points of a device's kind of row: the finalists if `large`, else the other candidates."""
    of_name = [trace for trace in figure.data if trace.name == name and trace.mode.startswith("markers")]
    return [xy for trace in of_name if ("text" in trace.mode) == large for xy in zip(trace.x, trace.y, strict=True)]


def button(figure: Any, label: str) -> dict[str, Any]:
    """Return what a button changes: the traces' attributes and the layout's."""
    found = [b for menu in figure.layout.updatemenus if menu.visible for b in menu.buttons if b.label == label]
    assert len(found) == 1
    traces, layout = found[0].args
    return {**traces, **layout}


def buttons(rows: Sequence[Row]) -> list[str]:
    return [b.label for menu in tradeoff_chart(rows).layout.updatemenus if menu.visible for b in menu.buttons]


@pytest.fixture(scope="module")
def troubled() -> list[Row]:
    """Two devices; on the second one subnet failed, one is noisy and borderline, some are only predicted."""
    rows = tradeoff(labels=True) + tradeoff(device="pi5", speed=0.3, labels=True)
    rows[130] = unmeasured(rows[130], cost_source="predicted", predicted_ms=0.2)
    rows[-1] = unmeasured(rows[-1], status="failed", reason="out of memory", within_budget=None, predicted_ms=0.0777)
    doubt: dict[str, Any] = {"status": "noisy", "reason": "±12%", "within_budget": "borderline"}
    rows[-3] = dataclasses.replace(rows[-3], budget="0.1ms;1/16", **doubt)
    return mark_front(rows)


@pytest.fixture(scope="module")
def page(troubled: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Page:
    return written(troubled, tmp_path_factory.mktemp("page"))


def test_the_page_loads_nothing_and_forbids_itself_to(page: Page) -> None:
    assert page.attributes("src") == []
    assert not any(tag in ("link", "img", "iframe", "object", "base") for tag, _ in page.tags)
    policy = next(a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert any(len(script) > 1_000_000 for script in page.scripts), "Plotly is not in the page"


def test_every_selected_subnet_has_a_line_and_its_file(page: Page, troubled: list[Row]) -> None:
    chosen = [row for row in troubled if row.selected == "yes"]
    assert len(chosen) == 14
    assert page.attributes("href") == [f"subnets/{row.arch_id}-fp32-b1.onnx" for row in chosen]
    lines = [line for line in page.lines if line[0] != "Budget"]
    assert [line[1] for line in lines] == [f"{row.arch_id} | {row.widths}" for row in chosen]
    assert page.headings == [f"{device} onnxruntime 1.31.1 · 1 thread · fp32 · batch 1" for device in ("cpu", "pi5")]


def test_a_line_says_what_was_found(tmp_path: Path) -> None:
    found = row(
        budget="0.1ms;1/2",
        selected="yes",
        within_budget="borderline",
        agreement=0.998,
        target_accuracy=0.77,
        accuracy_ci_low=0.736,
        accuracy_ci_high=0.8,
    )
    head, line = written([found], tmp_path).lines
    assert dict(zip(head, line, strict=True)) == {
        "Budget": "1/2, 0.1ms",
        "Subnet": "0123456789ab | 32-32-64-128-32-64-128",
        "Multiply-adds": "5.90 M | 100% of full",
        "p50, µs": "100 | 98–103",
        "UPEM": "0.1000",
        "Agreement": "99.8%",
        "Accuracy": "77.0% | 73.6–80.0",
        "Within budget": "borderline",
        "Status": "ok",
    }


def test_a_failure_and_doubt_are_said_with_their_reason(page: Page) -> None:
    failed, noisy = page.lines[-1], page.lines[-3]
    assert failed[0] == "1/64"
    assert failed[3] == "–"
    assert failed[-1] == "failed | out of memory"
    assert noisy[0] == "1/16, 0.1ms"
    assert noisy[-2:] == ["borderline", "noisy | ±12%"]


def test_accuracy_is_a_column_only_where_it_is_known(page: Page, tmp_path: Path) -> None:
    assert "Accuracy" in page.lines[0]
    assert "Accuracy" not in written(tradeoff(candidates=3), tmp_path).lines[0]


def test_what_two_lines_differ_in_stands_under_their_budget(tmp_path: Path) -> None:
    precise = tradeoff(candidates=0)
    page = written([*precise, *(dataclasses.replace(row, precision="int8") for row in precise)], tmp_path)
    assert page.headings == ["cpu onnxruntime 1.31.1 · 1 thread · batch 1"]
    assert {line[0] for line in page.lines[1:]} == {f"{b} | {p}" for b in BUDGETS for p in ("fp32", "int8")}
    assert sum(href.endswith("-int8-b1.onnx") for href in page.attributes("href")) == 7


def test_text_from_outside_stays_text(tmp_path: Path) -> None:
    hostile = """</script><script>alert("1")</script><img src=x onerror='a()'>&amp;{0}"""
    rows = [
        row(device=hostile, engine=hostile, budget=hostile.replace(";", ""), selected="yes"),
        unmeasured(row(device=hostile, budget="1", selected="yes", arch_id="f" * 12), status="failed", reason=hostile),
    ]
    harmless = written([row(budget="1", selected="yes"), row(arch_id="f" * 12, budget="2", selected="yes")], tmp_path)
    page = written(rows, tmp_path, notes=[hostile], title=hostile)
    assert page.items == [hostile]
    assert page.headings[0].startswith(hostile)
    assert f"failed | {hostile}" in page.lines[-1]
    assert len(page.scripts) == len(harmless.scripts)
    assert not any(tag == "img" or "onerror" in attributes for tag, attributes in page.tags)
    shown = [trace["name"] for trace in page.traces()] + [
        text for trace in page.traces() for text in [*trace.get("hovertext", []), *trace.get("text", [])]
    ]
    assert any("alert" in text for text in shown)
    assert not any("<" in text.replace("<br>", "").replace("<b>", "").replace("</b>", "") for text in shown)


def test_notes_are_a_list_only_if_there_are_any(page: Page, tmp_path: Path) -> None:
    assert page.items == []
    assert "Notes" not in page.headings
    warned = written([row()], tmp_path, notes=["The governor is not performance.", "The clock is coarse."])
    assert warned.items == ["The governor is not performance.", "The clock is coarse."]
    assert warned.headings[-1] == "Notes"


def test_finalists_are_drawn_with_budgets_and_intervals() -> None:
    rows = tradeoff(labels=True)
    chosen = rows[-7:]
    figure = tradeoff_chart(rows)
    points = drawn(figure, "cpu: measured", large=True)
    assert [y for _, y in points] == [row.upem for row in chosen]
    assert [x for x, _ in points] == pytest.approx([1000 * (row.host_p50_ms or 0) for row in chosen])
    assert len(drawn(figure, "cpu: measured", large=False)) == 120
    assert figure.layout.xaxis.title.text == "Measured host latency, median, µs"
    finalists = next(trace for trace in figure.data if trace.mode == "markers+text")
    assert finalists.text == BUDGETS
    for x, up, down, of in zip(finalists.x, finalists.error_x.array, finalists.error_x.arrayminus, chosen, strict=True):
        assert (x + up, x - down) == pytest.approx((1000 * (of.host_ci_high_ms or 0), 1000 * (of.host_ci_low_ms or 0)))


def test_buttons_switch_each_axis_by_itself() -> None:
    rows = tradeoff(labels=True)
    figure = tradeoff_chart(rows)
    index = next(i for i, trace in enumerate(figure.data) if trace.mode == "markers+text")
    compute, accurate, upem = (button(figure, label) for label in ("Multiply-adds", "Accuracy", "UPEM"))
    assert list(compute["x"][index]) == [row.macs for row in rows[-7:]]
    assert compute["error_x"][index] == {"visible": False}
    assert "y" not in compute
    assert list(accurate["y"][index]) == [100 * (row.target_accuracy or 0) for row in rows[-7:]]
    assert len(accurate["error_y"][index]["array"]) == 7
    assert (upem["yaxis.autorange"], accurate["yaxis.autorange"]) == ("reversed", True)
    assert {len(changed) for changed in (compute["x"], accurate["y"], upem["y"])} == {len(figure.data)}


def test_each_front_is_drawn_against_its_own_cost_alone() -> None:
    figure = tradeoff_chart(tradeoff())
    fronts = [i for i, trace in enumerate(figure.data) if trace.mode == "lines"]
    by_latency, by_compute = ([len(button(figure, b)["x"][i]) for i in fronts] for b in ("Latency", "Multiply-adds"))
    assert by_latency[0] > 1
    assert by_compute[1] > 1
    assert (by_latency[1], by_compute[0]) == (0, 0)


def test_kinds_of_rows_look_different_and_a_failure_has_no_latency(troubled: list[Row]) -> None:
    figure = tradeoff_chart(troubled)
    kinds = {trace.name: trace.marker.symbol for trace in figure.data if trace.mode != "lines"}
    names = ("pi5: measured", "pi5: noisy", "pi5: predicted", "pi5: failed")
    assert len({kinds[name] for name in names}) == 4
    assert {trace.marker.color for trace in figure.data if trace.name.startswith("pi5") and trace.mode != "lines"} == {
        "#D55E00"
    }
    assert drawn(figure, "pi5: failed", large=True) == [(None, troubled[-1].upem)]
    assert [x for x, _ in drawn(figure, "pi5: predicted", large=False)] == [pytest.approx(200)]
    assert "Measured" not in figure.layout.xaxis.title.text
    failed = next(i for i, trace in enumerate(figure.data) if trace.name == "pi5: failed")
    assert button(figure, "Multiply-adds")["x"][failed] == [troubled[-1].macs]


def test_hovering_tells_what_is_known() -> None:
    figure = tradeoff_chart([row(budget="1", selected="yes", agreement=1.0, status="noisy", reason="±9%")])
    text = next(trace for trace in figure.data if trace.mode != "lines").hovertext[0]
    for fact in ("0123456789ab", "32-32-64", "100 µs (98–103)", "UPEM 0.1000", "agreement 100%", "noisy ±9%"):
        assert fact in text
    assert "target accuracy" not in text


def test_there_are_no_buttons_for_what_is_unknown() -> None:
    assert buttons(tradeoff(labels=True)) == ["UPEM", "Accuracy", "Latency", "Multiply-adds"]
    assert buttons(tradeoff()) == ["Latency", "Multiply-adds"]
    assert buttons([unmeasured(row) for row in tradeoff()]) == []


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row()],
        [unmeasured(row(budget="1", selected="yes"))],
        [unmeasured(row(), status="failed", reason="no memory")],
        [row(upem=None, budget="1", selected="yes")],
        [unmeasured(row(widths="-".join(["64"] * 40)), cost_source="estimated", predicted_ms=7.0)],
        [row(device=f"device {i}") for i in range(9)],
    ],
)
def test_poor_tables_still_give_a_page(tmp_path: Path, rows: list[Row]) -> None:
    page = written(rows, tmp_path)
    assert len(page.headings) == len({row.device for row in rows})
    assert len(page.lines) == 2 * any(row.selected == "yes" for row in rows)


def test_a_crash_while_writing_leaves_the_old_page_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def crash(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="disk full"):
        write_page([row()], path, title="")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
