"""Numbers as people read them: units picked, digits cut to what is worth reading."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from harness.report.rows import Row

UNKNOWN = "–"
_LIMIT = re.compile(r"([0-9.]+(?:/[0-9]+)?)\s*([A-Za-z-]*)")
_UNITS = ("", "ms", "MB", "MB-model", "mJ")


class TimeUnit(NamedTuple):
    """A unit of time and how many of it make a millisecond."""

    name: str
    per_ms: float


MICROSECONDS, MILLISECONDS, SECONDS = TimeUnit("µs", 1e3), TimeUnit("ms", 1.0), TimeUnit("s", 1e-3)


def time_unit(milliseconds: Iterable[float]) -> TimeUnit:
    """Return the unit in which the middle of these latencies is between 1 and 1000."""
    logarithms = sorted(math.log10(value) for value in milliseconds)
    middle = (logarithms[0] + logarithms[-1]) / 2 if logarithms else 0.0
    return MICROSECONDS if middle < 0 else MILLISECONDS if middle < 3 else SECONDS


def duration(milliseconds: float) -> str:
    """Write a round latency with its own unit: 20 µs, 1 ms, 2 s."""
    unit = time_unit([milliseconds])
    return f"{milliseconds * unit.per_ms:.4g} {unit.name}"


def digits(value: float, significant: int = 3) -> str:
    """Write a non-negative number with three significant digits and no exponent: 0.0123, 1.23, 12.3, 123, 1234."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{significant - 1}e}")
    return (
        f"{rounded:.{max(0, significant - 1 - math.floor(math.log10(rounded)))}f}" if value < 1000 else f"{value:.0f}"
    )


def count(value: float) -> str:
    """Write a count with a metric prefix and three digits: 999, 5.90 k, 5.90 M, 4.09 G."""
    scaled, prefix = _metric(value)
    return digits(scaled) + prefix if prefix else f"{value:.0f}"


def round_count(value: float) -> str:
    """Write a count that is a round number with a metric prefix: 500, 5 k, 20 M."""
    scaled, prefix = _metric(value)
    return f"{scaled:.4g}{prefix}"


def _metric(value: float) -> tuple[float, str]:
    return next(
        ((value / size, prefix) for size, prefix in ((1e9, " G"), (1e6, " M"), (1e3, " k")) if value >= 0.9995 * size),
        (value, ""),
    )


def interval(low: float, high: float) -> str:
    """Write a positive interval to three digits, or as many as tell its ends apart: 84.1–86.0, 1.002–1.003."""
    places = max(0, 2 - math.floor(math.log10(high)), -math.floor(math.log10(high - low)) if high > low else 0)
    return f"{low:.{places}f}–{high:.{places}f}"


def percent(share: float) -> str:
    """Write a share as a percentage: 80.1%, 100%, 262%."""
    return f"{100 * share:.0f}%" if share >= 1 else f"{min(100 * share, 99.9):.1f}%"


def limit(budget: str) -> tuple[float, str] | None:
    """Split one limit into number and unit: ``1/64`` is (0.0156, ""), ``10ms`` is (10.0, "ms"); None if unknown."""
    match = _LIMIT.fullmatch(budget)
    if not match or match[2] not in _UNITS:
        return None
    try:
        return float(Fraction(match[1])), match[2]
    except (ValueError, ZeroDivisionError):
        return None


def loosest_first(budgets: Iterable[str]) -> list[str]:
    """Sort budgets: fractions, ms, MB, MB-model, mJ, then what is joint or unknown; the most generous first in each."""

    def place(budget: str) -> tuple[int, float, str]:
        known = limit(budget)
        return (_UNITS.index(known[1]), -known[0], budget) if known else (len(_UNITS), 0.0, budget)

    return sorted(budgets, key=place)


def flags(row: Row) -> list[str]:
    """Say in words what is not as it should be with a row: failed, noisy, throttled, borderline, over budget."""
    verdict = {"borderline": "borderline", "no": "over budget"}.get(row.within_budget or "")
    return [word for word in (row.status if row.status != "ok" else None, verdict) if word]


def label(row: Row) -> str:
    """Name a finalist: the budgets it answers, and what is not as it should be."""
    return " · ".join([", ".join(loosest_first(row.budgets)), *flags(row)])


def part_of_full(share: float) -> str:
    """Write a share of the full-width subnet's compute as a fraction or a multiple: 1/8.2, 2.6x."""
    return f"1/{digits(1 / share, 2)}" if share <= 1 else f"{digits(share, 2)}x"


def latency(row: Row, unit: TimeUnit) -> tuple[str, str]:
    """Write a row's latency in ``unit`` and beneath it the interval, or, of one not measured, where it comes from."""
    if row.host_p50_ms is not None:
        ends = ""
        if row.host_ci_low_ms is not None and row.host_ci_high_ms is not None:
            ends = interval(row.host_ci_low_ms * unit.per_ms, row.host_ci_high_ms * unit.per_ms)
        return digits(row.host_p50_ms * unit.per_ms), ends
    if row.predicted_ms is not None and row.status != "failed":
        return f"~{digits(row.predicted_ms * unit.per_ms)}", row.cost_source or "predicted"
    return UNKNOWN, ""


def accuracy(row: Row) -> tuple[str, str]:
    """Write a row's target accuracy and beneath it the interval, in percent."""
    if row.target_accuracy is None:
        return UNKNOWN, ""
    ends = ""
    if row.accuracy_ci_low is not None and row.accuracy_ci_high is not None:
        ends = f"{100 * row.accuracy_ci_low:.1f}–{100 * row.accuracy_ci_high:.1f}"
    return percent(row.target_accuracy), ends


def configuration(row: Row) -> dict[str, str]:
    """Return what a row was measured with, by column, each in words; unknown columns are absent."""
    engine = " ".join(filter(None, (row.engine, row.engine_version)))
    words = {
        "engine": engine,
        "power_mode": row.power_mode,
        "threads": None if row.threads is None else f"{row.threads} thread{'s' if row.threads > 1 else ''}",
        "precision": row.precision,
        "batch_size": f"batch {row.batch_size}",
    }
    return {column: text for column, text in words.items() if text}


def shared_configuration(rows: Sequence[Row]) -> list[str]:
    """Return what all rows were measured with, in words."""
    configurations = [configuration(row) for row in rows]
    first = configurations[0] if configurations else {}
    return [text for column, text in first.items() if all(other.get(column) == text for other in configurations)]
