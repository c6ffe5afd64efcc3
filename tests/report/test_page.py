import dataclasses
import json
import os
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harness.files import WriteError
from harness.report import Caution, Layer, Row, RunFacts, mark_front, write_page

from .factory import BUDGETS, FULL, row, tradeoff, unmeasured

#: What every page has.
FIXED = ("Which subnet to deploy", "The subnet", "The device meanwhile", "What to know before trusting these figures")
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

    @property
    def sections(self) -> list[str]:
        """Return the headings that only some pages have."""
        return [heading for heading in self.headings if not heading.strip().startswith(FIXED)]

    def data(self) -> dict[str, Any]:
        """Return what is handed to the page's script."""
        data: dict[str, Any] = json.loads(self.scripts[0])
        return data


def written(rows: Sequence[Row], folder: Path, facts: RunFacts | None = None, title: str = "What it costs") -> Page:
    write_page(rows, folder / "report.html", title=title, facts=facts)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


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
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy
    assert "unsafe" not in policy.partition("style-src")[0]
    assert any(len(script) > 1_000_000 for script in page.scripts), "Plotly is not in the page"


def test_every_selected_subnet_has_a_line_and_its_file(page: Page, troubled: list[Row]) -> None:
    chosen = [row for row in troubled if row.selected == "yes"]
    assert len(chosen) == 14
    assert page.attributes("href")[1:] == [f"subnets/{row.arch_id}-fp32-b1.onnx" for row in chosen]
    lines = subnet_lines(page)
    assert [line[1] for line in lines] == [f"{row.arch_id} | {row.widths}" for row in chosen]
    assert page.sections[:2] == [
        f"{device} onnxruntime 1.31.1 · 1 thread · fp32 · batch 1" for device in ("cpu", "pi5")
    ]


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
    head, line = written([found], tmp_path).lines[:2]
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
    failed, noisy = subnet_lines(page)[-1], subnet_lines(page)[-3]
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
    assert page.sections == ["cpu onnxruntime 1.31.1 · 1 thread · batch 1"]
    assert {line[0] for line in subnet_lines(page)} == {f"{b} | {p}" for b in BUDGETS for p in ("fp32", "int8")}
    assert sum(href.endswith("-int8-b1.onnx") for href in page.attributes("href")) == 7


def subnet_lines(page: Page) -> list[list[str]]:
    """Return the lines of the tables of selected subnets."""
    return [line for line in page.lines if len(line) >= 8 and line[0] != "Budget"]


def test_text_from_outside_stays_text(tmp_path: Path) -> None:
    hostile = """</script><script>alert("1")</script><img src=x onerror='a()'>&amp;{0}$x<!--"""
    rows = [
        row(device=hostile, engine=hostile, budget=hostile.replace(";", ""), selected="yes"),
        unmeasured(row(device=hostile, budget="1", selected="yes", arch_id="f" * 12), status="failed", reason=hostile),
    ]
    facts = RunFacts(
        layers=[Layer(hostile, width) for width in FULL],
        environment={hostile: {hostile: hostile}},
        cautions=[Caution(hostile, hostile)],
    )
    harmless = written([row(budget="1", selected="yes"), row(arch_id="f" * 12, budget="2", selected="yes")], tmp_path)
    page = written(rows, tmp_path, facts, title=hostile)
    assert page.items[0] == 2 * hostile
    assert page.sections[0].startswith(hostile)
    assert any(f"failed | {hostile}" in line for line in subnet_lines(page))
    assert [hostile, hostile] in page.lines
    assert len(page.scripts) == len(harmless.scripts) == 3
    assert not any(tag == "img" or "onerror" in attributes for tag, attributes in page.tags)
    assert page.data()["rows"][1]["reason"] == hostile
    assert "<" not in page.scripts[0]


def test_what_speaks_against_the_figures_is_said_with_advice(page: Page, tmp_path: Path) -> None:
    noisy, failed, borderline = page.items
    assert failed.startswith("pi5: 1 network failed: out of memory")
    assert noisy.startswith("pi5: 1 network was noisy: ±12%Close what else runs there")
    assert "is borderline within 0.1ms, 1/16" in borderline
    warned = written([row()], tmp_path, RunFacts(cautions=[Caution("The clock is coarse.", "Use another.")]))
    assert warned.items == ["The clock is coarse.Use another."]
    assert written([row()], tmp_path).items == []


def test_widths_are_drawn_within_those_of_the_full_network(tmp_path: Path) -> None:
    chosen = [row(budget="1", selected="yes", widths="16-32-64-128-32-64-128")]
    facts = RunFacts(layers=[Layer(f"layer {place}", width) for place, width in enumerate(FULL)])
    page = written(chosen, tmp_path, facts)
    bars = [attributes for tag, attributes in page.tags if tag == "rect"]
    full, own = ([bar["height"] for bar in bars if bar["class"] == name] for name in ("full", "own"))
    assert full[0] == "9.0"
    assert own[0] == "4.5"
    assert full[1:] == own[1:]
    other = written(chosen, tmp_path, RunFacts(layers=[Layer("stem", 32)]))
    assert not any(tag == "rect" for tag, _ in other.tags), "layers of another network"


def test_the_environment_is_a_table_for_each_heading(tmp_path: Path) -> None:
    page = written([row()], tmp_path, RunFacts(environment={"Run": {"Seed": "7"}, "Nothing": {}}))
    assert ["Seed", "7"] in page.lines
    assert "Environment" in page.sections
    assert "Environment" not in written([row()], tmp_path).sections


def test_both_correlations_are_there_where_enough_accuracy_is_known(tmp_path: Path) -> None:
    heading = "UPEM and accuracy does the label-free score tell which subnets are accurate?"
    enough = written(tradeoff(labels=True), tmp_path)
    assert heading in enough.sections
    plain, partial = (line for line in enough.lines if line[0].startswith("Pearson"))
    assert partial[0] == "Pearson, multiply-adds partialled out"
    assert plain[1].startswith("-0.")
    few = written(tradeoff(labels=True)[-4:], tmp_path)
    assert heading in few.sections
    assert not any(line[0].startswith("Pearson") for line in few.lines)
    assert heading not in written(tradeoff(), tmp_path).sections


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
    assert len(page.sections) == len({row.device for row in rows})
    assert len([line for line in page.lines if len(line) >= 8]) == 2 * any(row.selected == "yes" for row in rows)


def test_a_crash_while_writing_leaves_the_old_page_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def crash(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(WriteError, match="disk full"):
        write_page([row()], path, title="")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
