"""``report.html``: the trade-off to explore, in one file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from plotly.io import to_html

from harness.report.chart import tradeoff_chart
from harness.report.comparisons import Comparison, comparison_section
from harness.report.cost_models import CostModelRecord
from harness.report.cost_page import cost_section
from harness.report.files import write_atomic
from harness.report.rows import Row
from harness.report.words import (
    UNKNOWN,
    TimeUnit,
    accuracy,
    configuration,
    count,
    latency,
    loosest_first,
    percent,
    shared_configuration,
    time_unit,
)

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 1280px; margin: 1.5rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; margin: 0 0 .3rem; }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 .3rem; }}
p, small, h2 span {{ color: #666; font-weight: normal; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; vertical-align: top; padding: .4rem .7rem; border-bottom: 1px solid #e6e6e6; }}
th {{ border-bottom-color: #767676; white-space: nowrap; }}
td small {{ display: block; }}
.n {{ text-align: right; white-space: nowrap; }}
.borderline, .noisy, .throttled {{ color: #8a5a00; }}
.no, .failed {{ color: #b3261e; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>Large markers are the selected subnets, small ones the other candidates; bars are 95% intervals{stars}.
Up and left is better. Hover for details, drag to zoom, double-click to return, click in the legend to hide.</p>
{chart}
{tables}
{comparisons}
{costs}
{notes}
</body>
</html>
"""

_CONTROLS = {
    "displaylogo": False,
    "responsive": True,
    "doubleClick": "autosize",
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "autoScale2d"]],
}
"""Only buttons that work offline, and none that would reset an axis to what the page began with."""


def write_page(
    rows: Sequence[Row],
    path: Path,
    *,
    title: str,
    notes: Sequence[str] = (),
    comparisons: Mapping[str, Sequence[Comparison]] | None = None,
    cost_models: Mapping[str, CostModelRecord] | None = None,
    baselines: Mapping[str, str] | None = None,
) -> None:
    """Write the page whole or not at all.

    It has the chart, the selected subnets of every device, what choosing by latency gains (``comparisons``), what the
    cost models were off by, each by the name of the configuration, and ``notes`` as a list. ``baselines`` are the names
    of networks of other families, by arch_id.
    Links lead to the files in ``subnets`` beside the page. All text is escaped, and the page forbids itself to load
    anything, so that it may be opened and passed on without a thought.
    """
    names = baselines or {}
    chart = to_html(
        tradeoff_chart(rows, names), include_plotlyjs=True, full_html=False, div_id="tradeoff", config=_CONTROLS
    )
    devices = dict.fromkeys(row.device for row in rows)
    tables = "\n".join(_table([row for row in rows if row.device == device], names) for device in devices)
    beside = "\n".join(comparison_section(name, found) for name, found in (comparisons or {}).items())
    costs = cost_section(cost_models or {})
    page = _PAGE.format(
        title=escape(title),
        stars="; stars are baselines, networks of other families, which have no UPEM" if names else "",
        chart=chart,
        tables=tables,
        comparisons=beside,
        costs=costs,
        notes=_notes(notes),
    )
    write_atomic(path, page.encode())


def _table(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    """Return one device's heading and table: every selected subnet, the costliest first, then every baseline."""
    shared = shared_configuration(rows)
    heading = f"<h2>{escape(rows[0].device)} <span>{escape(' · '.join(shared))}</span></h2>"
    chosen = sorted((row for row in rows if row.selected == "yes"), key=lambda row: -row.macs)
    chosen += sorted((row for row in rows if row.arch_id in names), key=lambda row: -row.macs)
    if not chosen:
        return f"{heading}\n<p>No subnet was selected.</p>"
    unit = time_unit(ms for row in chosen if (ms := row.host_p50_ms or row.predicted_ms))
    labelled = any(row.target_accuracy is not None for row in chosen)
    headings = ["Budget", "Subnet", "Multiply-adds", f"p50, {unit.name}", "UPEM", "Agreement"]
    headings += ["Accuracy"] * labelled + ["Within budget", "Status"]
    head = "".join(
        f'<th class="n">{h}</th>' if 1 < i < len(headings) - 2 else f"<th>{h}</th>" for i, h in enumerate(headings)
    )
    lines = "\n".join(_line(row, names.get(row.arch_id), unit, shared, labelled) for row in chosen)
    return f'{heading}\n<div class="wide"><table>\n<tr>{head}</tr>\n{lines}\n</table></div>'


def _line(row: Row, baseline: str | None, unit: TimeUnit, shared: Sequence[str], labelled: bool) -> str:
    own = " ".join(text for text in configuration(row).values() if text not in shared)
    file = f"subnets/{row.arch_id}-{row.precision}-b{row.batch_size}.onnx"
    subnet = f'<a href="{file}">{row.arch_id}</a>' if row.host_p50_ms or not baseline else row.arch_id
    cells = [
        _cell(baseline or ", ".join(loosest_first(row.budgets)), own),
        f"<td>{subnet}<small>{row.widths.replace('-', '-<wbr>')}</small></td>",
        _cell(count(row.macs), f"{percent(row.compute_fraction)} of full", "n"),
        _cell(*latency(row, unit), "n"),
        _cell(UNKNOWN if row.upem is None else f"{row.upem:.4f}", "", "n"),
        _cell(UNKNOWN if row.agreement is None else percent(row.agreement), "", "n"),
        *([_cell(*accuracy(row), "n")] if labelled else []),
        _cell(row.within_budget or UNKNOWN, "", row.within_budget or ""),
        _cell(row.status, row.reason or "", row.status),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _cell(text: str, beneath: str = "", look: str = "") -> str:
    detail = f"<small>{escape(beneath)}</small>" if beneath else ""
    return f'<td class="{look}">{escape(text)}{detail}</td>'


def _notes(notes: Sequence[str]) -> str:
    items = "\n".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<h2>Notes</h2>\n<ul>\n{items}\n</ul>" if notes else ""
