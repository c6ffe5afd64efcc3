"""Markdown out of plain values: whatever comes from data, file names or a board stays text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_ANYWHERE = re.compile(r"([\\`*_\[\]|~$])")
#: What makes a list, a heading or a rule of a line that begins with it.
_AT_THE_START = re.compile(r"^([-+#=]|\d+(?=[.)](?: |$)))")
#: What GitHub makes a link of, without any markup.
_BARE_LINK = re.compile(r"\b(www|https?)(?=[.:])")


def escaped(text: str) -> str:
    """Return text on one line in which nothing is markup, neither Markdown's nor HTML's."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _BARE_LINK.sub(r"\1&#8203;", _AT_THE_START.sub(_kept_text, _ANYWHERE.sub(r"\\\1", line)))


def _kept_text(found: re.Match[str]) -> str:
    return f"{found[1]}\\" if found[1].isdigit() else f"\\{found[1]}"


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells are text, not Markdown."""
    lines = [headings, ["---"] * len(headings), *([escaped(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
