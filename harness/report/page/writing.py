"""``report.html``: the trade-off to explore, in one file that needs no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from plotly.offline import get_plotlyjs

from harness.files import write_whole
from harness.report.comparisons import Comparison, comparison_section
from harness.report.cost_models import CostModelRecord
from harness.report.cost_page import cost_section
from harness.report.page.advice import cautions, cautions_section
from harness.report.page.correlations import correlation_section, known_subnets
from harness.report.page.environment import environment_section
from harness.report.page.facts import RunFacts
from harness.report.page.payload import payload, script_safe
from harness.report.page.tables import subnet_tables
from harness.report.rows import Row

SCRIPTS = (
    *("format", "theme", "chart", "state", "hover", "tradeoff", "series", "deploy"),
    *("widths", "timing", "costs", "correlation", "history", "main"),
)
"""The files of the page's own script, in order."""


def write_page(
    rows: Sequence[Row],
    path: Path,
    *,
    title: str,
    facts: RunFacts | None = None,
    comparisons: Mapping[str, Sequence[Comparison]] | None = None,
    cost_models: Mapping[str, CostModelRecord] | None = None,
    baselines: Mapping[str, str] | None = None,
) -> None:
    """Write the page whole or not at all.

    It has the trade-off, the choice of a subnet, what choosing by latency gains (``comparisons``) and what the cost
    models were off by, each by the name of the configuration, and what ``facts`` tell of the run. ``baselines`` are
    the names of networks of other families, by arch_id. Links lead to the files in ``subnets`` beside the page.

    All text is escaped, and the page forbids itself to load anything and to run any script but its own, which it knows
    by their digests, so that it may be opened and passed on without a thought.
    """
    names, facts = baselines or {}, facts or RunFacts()
    data = payload(rows, names, cost_models or {}, facts)
    known = {(row.series, row.arch_id) for row in known_subnets(rows, names)}
    data["correlated"] = [i for i, row in enumerate(data["rows"]) if (row["series"], row["id"]) in known]
    scripts = (get_plotlyjs(), _own_script())
    doubts = [*facts.cautions, *cautions(rows)]
    page = Template(_asset("page.html")).substitute(
        title=escape(title),
        policy=" ".join(f"'sha256-{_digest(script)}'" for script in scripts),
        style=_asset("page.css"),
        summary=escape(_summary(rows, data["rows"], len(doubts))),
        tables=subnet_tables(rows, names, facts.layers),
        comparisons="\n".join(comparison_section(name, found) for name, found in (comparisons or {}).items()),
        costs=cost_section(cost_models or {}),
        correlation=correlation_section(rows, names),
        cautions=cautions_section(doubts),
        environment=environment_section(facts.environment),
        data=script_safe(data),
        plotly=scripts[0],
        script=scripts[1],
    )
    write_whole(path, page.encode())


def _summary(rows: Sequence[Row], drawn: Sequence[object], doubts: int) -> str:
    """Say in one line what is in the page, and what is not."""
    measured = sum(row.cost_source == "measured" for row in rows)
    selected = sum(row.selected == "yes" for row in rows)
    parts = [f"{len(rows):,} subnets known", f"{measured:,} measured", f"{selected:,} selected"]
    if len(drawn) < len(rows):
        parts.append(f"{len(drawn):,} drawn: all that was chosen, the others thinned evenly (tradeoff.csv has all)")
    parts.append("nothing spoke against the figures" if not doubts else f"{doubts} warnings")
    return " · ".join(parts)


@cache
def _own_script() -> str:
    return "\n".join(["'use strict';", *(_asset(f"{name}.js") for name in SCRIPTS)])


def _asset(name: str) -> str:
    return (resources.files("harness.report.page") / "assets" / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
