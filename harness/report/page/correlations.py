"""Whether UPEM told which of this run's subnets are accurate: both correlations, in words and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.report.correlation import FEWEST, Correlation, GroupCorrelation, correlate
from harness.report.rows import Row
from harness.report.words import UNKNOWN

_LEAST = FEWEST + 1
"""The partial one takes a degree of freedom more."""


def known_subnets(rows: Sequence[Row], baselines: Mapping[str, str]) -> list[Row]:
    """Return the rows whose UPEM and accuracy are of the same float32 subnet, each subnet once, without the anchor."""
    found = {
        row.arch_id: row
        for row in rows
        if row.precision == "fp32" and row.upem and row.target_accuracy is not None and row.arch_id not in baselines
    }
    return list(found.values())


def correlation_section(rows: Sequence[Row], baselines: Mapping[str, str]) -> str:
    """Return the section with the place for its chart; nothing where no accuracy is known."""
    known = known_subnets(rows, baselines)
    if not known:
        return ""
    if len(known) < _LEAST:
        words = f"<p>Accuracy is known of {len(known)} subnets only; a correlation takes {_LEAST}.</p>"
    else:
        words = _table(_correlated(known))
    return (
        '<section id="correlation-section">\n<h2>UPEM and accuracy <span>does the label-free score tell which subnets '
        "are accurate?</span></h2>\n"
        f'<div class="chart" id="correlation" role="img" aria-label="Target accuracy against UPEM"></div>\n{words}\n'
        "</section>"
    )


def _correlated(known: Sequence[Row]) -> GroupCorrelation:
    upem = [row.upem or 0.0 for row in known]
    accuracy = [row.target_accuracy or 0.0 for row in known]
    return correlate(upem, accuracy, [row.macs for row in known], [None] * len(known))[-1]


def _table(found: GroupCorrelation) -> str:
    lines = "\n".join(
        f'<tr><th scope="row">{name}</th><td class="n">{_figure(own)}</td><td>{meaning}</td></tr>'
        for name, own, meaning in (
            (
                "Pearson",
                found.plain,
                "over all sizes: larger subnets are nearer to the full one and more accurate",
            ),
            ("Pearson, multiply-adds partialled out", found.partial, "what UPEM tells beyond the size of the subnet"),
            ("Spearman", found.rank, "of the ranks"),
        )
    )
    return (
        f'<div class="wide"><table>\n<tr><th scope="col">Correlation</th><th scope="col" class="n">95% interval</th>'
        f'<th scope="col">Of what</th></tr>\n{lines}\n</table></div>\n'
        "<p>Circles are selected subnets, diamonds others that were measured. Negative is good: UPEM "
        "is a distance. The anchor, whose UPEM is 0 by definition, is left out. "
        f"These {found.count} subnets were mostly chosen for a low UPEM within their budgets, which narrows what can "
        "be seen.</p>"
    )


def _figure(own: Correlation) -> str:
    if math.isnan(own.value):
        return UNKNOWN
    return f"{own.value:+.2f} <small>{own.low:+.2f} to {own.high:+.2f}</small>"
