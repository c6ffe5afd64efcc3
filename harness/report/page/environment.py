"""On what the run was made, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape


def environment_section(environment: Mapping[str, Mapping[str, str]]) -> str:
    """Return a table for each heading; nothing where nothing is known."""
    if not environment:
        return ""
    tables = "\n".join(_table(heading, facts) for heading, facts in environment.items() if facts)
    return f'<section id="environment">\n<h2>Environment</h2>\n<div class="facts">\n{tables}\n</div>\n</section>'


def _table(heading: str, facts: Mapping[str, str]) -> str:
    lines = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in facts.items()
    )
    return f"<table>\n<caption>{escape(heading)}</caption>\n{lines}\n</table>"
