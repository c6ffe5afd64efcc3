"""What choosing by latency gains over choosing by multiply-adds: the values, and how terminal and page show them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pydantic import BaseModel, ConfigDict
from rich.table import Table
from rich.text import Text

from harness.report.plain_table import plain_table
from harness.report.rows import NonNegative, Positive, WithinBudget
from harness.report.words import UNKNOWN, TimeUnit, digits, interval, time_unit

TITLE = "at the same or lower UPEM than the FLOPs-chosen subnet"


class Versus(BaseModel):
    """One subnet beside the FLOPs-chosen one of a budget, both measured."""

    model_config = ConfigDict(extra="forbid")

    partner: str
    """Its arch_id; where it is the FLOPs-chosen subnet itself, the speed-up is 1 by definition."""
    partner_upem: NonNegative | None
    """As it is deployed; None where the device answers wrongly."""
    partner_ms: Positive | None
    speedup: Positive | None
    """Latency of the FLOPs-chosen subnet over this one's; None where it is not known, with the reason."""
    low: Positive | None
    """Bounds of its 95% interval over processes."""
    high: Positive | None
    reason: str | None = None


class Comparison(Versus):
    """What multiply-adds alone would deploy for a budget, beside the fastest subnet known that loses no more."""

    budget: str
    flops_chosen: str
    flops_upem: NonNegative | None
    flops_ms: Positive | None
    flops_within: WithinBudget | None
    """Whether it keeps the budget that it was chosen for; None where it could not be measured."""
    same_latency: Versus | None = None
    """The subnet of least UPEM among those predicted to be no slower; None where it was not measured."""

    @property
    def same(self) -> bool:
        """Whether no other subnet is predicted to be faster and to lose no more."""
        return self.partner == self.flops_chosen


def comparison_table(configuration: str, comparisons: Sequence[Comparison]) -> Table:
    """Return what the terminal shows of one configuration, a line for every budget."""
    unit = _unit(comparisons)
    reasons = [f"{found.budget}: {found.reason}" for found in comparisons if found.reason]
    table = plain_table(configuration, [TITLE], reasons)
    for heading, detail in (("Budget", ""), ("By FLOPs", "UPEM"), (f"p50, {unit.name}", ""), ("By latency", "UPEM")):
        table.add_column(_two(heading, detail), justify="right" if "p50" in heading else "left", no_wrap=True)
    table.add_column(f"p50, {unit.name}", justify="right", no_wrap=True)
    table.add_column(_two("Speed-up", "95% CI"), justify="right", no_wrap=True)
    for found in comparisons:
        table.add_row(
            Text(found.budget, "bold"),
            _two(found.flops_chosen, _upem(found.flops_upem)),
            _two(_ms(found.flops_ms, unit), _missed(found)),
            _two("the same subnet" if found.same else found.partner, _upem(found.partner_upem)),
            _ms(found.partner_ms, unit),
            _two(*_faster(found), style=_style(found)),
        )
    return table


def comparison_section(configuration: str, comparisons: Sequence[Comparison]) -> str:
    """Return what the page shows of one configuration."""
    unit = _unit(comparisons)
    headings = ["Budget", "By FLOPs", f"p50, {unit.name}", "By latency", f"p50, {unit.name}", "Speed-up"]
    headings += ["At the latency of the first", "Speed-up"]
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    lines = "\n".join(_line(found, unit) for found in comparisons)
    return (
        f"<h2>{escape(configuration)} <span>{TITLE}</span></h2>\n"
        f'<div class="wide"><table>\n<tr>{head}</tr>\n{lines}\n</table></div>'
    )


def _line(found: Comparison, unit: TimeUnit) -> str:
    other = found.same_latency
    cells = [
        (found.budget, ""),
        (found.flops_chosen, _upem(found.flops_upem)),
        (_ms(found.flops_ms, unit), _missed(found)),
        ("the same subnet" if found.same else found.partner, _upem(found.partner_upem)),
        (_ms(found.partner_ms, unit), ""),
        (_faster(found)[0], found.reason or _faster(found)[1]),
        (other.partner, _upem(other.partner_upem)) if other else (UNKNOWN, ""),
        (_faster(other)[0], other.reason or _faster(other)[1]) if other else (UNKNOWN, ""),
    ]
    return "<tr>" + "".join(f"<td>{escape(text)}<small>{escape(more)}</small></td>" for text, more in cells) + "</tr>"


def _missed(found: Comparison) -> str:
    """Say that multiply-adds alone chose a subnet that is too slow, or may be."""
    return {"no": "over budget", "borderline": "borderline"}.get(found.flops_within or "", "")


def _faster(found: Versus) -> tuple[str, str]:
    if found.speedup is None:
        return UNKNOWN, ""
    ends = "" if found.low is None or found.high is None else interval(found.low, found.high)
    return f"{found.speedup:.2f}×", "" if found.low == found.high else ends


def _style(found: Versus) -> str:
    if found.low is not None and found.low > 1:
        return "green"
    return "red" if found.high is not None and found.high < 1 else ""


def _unit(comparisons: Sequence[Comparison]) -> TimeUnit:
    return time_unit(ms for found in comparisons for ms in (found.flops_ms, found.partner_ms) if ms)


def _upem(upem: float | None) -> str:
    return UNKNOWN if upem is None else f"UPEM {upem:.4f}"


def _ms(milliseconds: float | None, unit: TimeUnit) -> str:
    return UNKNOWN if milliseconds is None else digits(milliseconds * unit.per_ms)


def _two(text: str, beneath: str, style: str = "") -> Text:
    return Text.assemble((text, style), *([("\n" + beneath, "dim")] if beneath else []))
