"""How every table at the terminal looks: a rule below the headings, the title and the notes at the left."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text


def plain_table(name: str, about: Sequence[str], notes: Sequence[str]) -> Table:
    """Return a table without columns yet; `name` stands out in its title, `notes` stand under it, a line each."""
    return Table(
        title=Text.assemble((name, "bold"), *(f" · {text}" for text in about)),
        caption=Text("\n".join(notes)) if notes else None,
        box=SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        title_style="",
        caption_style="",
        collapse_padding=True,
        pad_edge=False,
    )
