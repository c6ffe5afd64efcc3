"""Whatever text is given, a Markdown reader shows that text and nothing else."""

from __future__ import annotations

import html

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.report.markdown import escaped, markdown_table

READER = MarkdownIt("commonmark").enable("table")
NASTY = st.text(st.one_of(st.sampled_from("|`*_[](){}<>#&!~-+.=:\\1a\n\"'/@"), st.characters()), max_size=25)


def one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@given(NASTY)
def test_a_cell_shows_its_text_and_no_markup(text: str) -> None:
    rendered = READER.render(markdown_table(["a", "b"], [[text, "end"]]))
    cells = rendered.partition("<tbody>")[2].split("<td>")[1:]
    assert [html.unescape(cell.partition("</td>")[0]).replace("\u200b", "") for cell in cells] == [
        one_line(text).replace("\u200b", ""),
        "end",
    ]


@given(NASTY)
def test_a_line_of_text_is_a_paragraph(text: str) -> None:
    if line := one_line(text):
        rendered = READER.render(escaped(text))
        assert html.unescape(rendered.removeprefix("<p>").removesuffix("</p>\n")).replace("\u200b", "") == line.replace(
            "\u200b", ""
        )
