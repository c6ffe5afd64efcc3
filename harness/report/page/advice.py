"""What speaks against the figures, in words, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

from harness.report.page.facts import Caution
from harness.report.rows import Row

_ADVICE = {
    "noisy": "Close what else runs there, fix its clocks, and search again with --measure; "
    "`selfcheck` says what disturbs the device.",
    "throttled": "Cool the device or choose a lower power mode, and search again with --measure.",
    "failed": "It has no latency and is deployed nowhere; the reason is as the device or the engine gave it.",
    "borderline": "The interval reaches over the budget: keep a margin, or take the next cheaper subnet.",
    "no": "Deploy the next cheaper subnet, or allow more.",
}


def cautions(rows: Sequence[Row]) -> list[Caution]:
    """Return what the rows say against themselves, alike ones counted together."""
    doubts = Counter((row.series, row.status, row.reason or "") for row in rows if row.status != "ok")
    found = [
        Caution(f"{series}: {_subnets(count)} {_verb(count, status)}: {reason}", _ADVICE[status])
        for (series, status, reason), count in doubts.items()
    ]
    for row in rows:
        if row.within_budget in ("borderline", "no"):
            verdict = "is borderline within" if row.within_budget == "borderline" else "does not hold"
            text = f"{row.series}: {row.arch_id} {verdict} {', '.join(row.budgets)}"
            found.append(Caution(text, _ADVICE[row.within_budget]))
    return found


def _subnets(count: int) -> str:
    return "1 network" if count == 1 else f"{count} networks"


def _verb(count: int, status: str) -> str:
    if status == "failed":
        return "failed"
    return f"{'was' if count == 1 else 'were'} {status}"


def cautions_section(found: Sequence[Caution]) -> str:
    """Return the list, or that there is nothing to list."""
    if not found:
        return "<p>Nothing spoke against these figures.</p>"
    items = "\n".join(f"<li>{escape(own.text)}{_advice(own)}</li>" for own in found)
    return f'<ul class="cautions">\n{items}\n</ul>'


def _advice(own: Caution) -> str:
    return f'<span class="advice">{escape(own.advice)}</span>' if own.advice else ""
