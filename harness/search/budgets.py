"""Budgets: limits on what a subnet may cost, as they are written on the command line and in the report.

Values in a comma list are alternatives, each answered; different options hold together (DESIGN section 4).
A new kind of limit is one more `Kind`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction

from harness.space import Architecture

#: What a subnet costs, in the unit of a kind of limit.
Cost = Callable[[Architecture], float]

# Digits are counted so that a hostile number can neither fill the memory nor become an infinity.
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9}")
_FRACTION = re.compile(r"[0-9]{1,9}/[0-9]{1,9}")


@dataclass(frozen=True)
class Kind:
    """A cost that can be limited.

    `option` is its name on the command line, `unit` follows the number in a label, `meaning` and `cheapest` are words
    for messages; a `relative` one is a share of the full-width subnet's cost, at most 1, and may be written as 1/8. An
    `exact` one is known of an architecture without a device.
    """

    option: str
    unit: str
    meaning: str
    cheapest: str
    relative: bool = False
    exact: bool = False

    @property
    def setting(self) -> str:
        """What the option is called in run.json."""
        return self.option.strip("-").replace("-", "_")

    def show(self, value: float) -> str:
        """Write a cost as the tightest limit, in three digits or as 1/n, that still allows it."""
        if self.relative and value <= 0.1:
            parts = math.floor(1 / value)
            return f"1/{parts + 1 if 1 / (parts + 1) >= value else parts}"
        up = Context(prec=3, rounding=ROUND_CEILING).create_decimal(str(float(value)))
        return _plain(up) + self.unit


COMPUTE = Kind(
    "--budgets",
    "",
    "a share of the full multiply-adds such as 1/8 or 0.1",
    "the smallest subnet",
    relative=True,
    exact=True,
)
LATENCY = Kind("--latency-ms", "ms", "a positive number of milliseconds such as 10", "the fastest subnet measured")
MEMORY = Kind("--memory-mb", "MB", "a positive number of megabytes such as 30", "the smallest subnet measured")
MODEL_SIZE = Kind(
    "--model-mb", "MB-model", "a positive number of megabytes such as 5", "the smallest subnet's file", exact=True
)
ENERGY = Kind("--energy-mj", "mJ", "a positive number of millijoules such as 5", "the smallest subnet measured")
KINDS = (COMPUTE, LATENCY, MEMORY, MODEL_SIZE, ENERGY)

#: What is answered where no limit is given.
DEFAULT = "1,1/2,1/4,1/8,1/16,1/32,1/64"

#: Combinations of alternatives that one run answers, at most: each is searched for.
MOST_BUDGETS = 64


class BudgetError(ValueError):
    """A limit that cannot be read; the message says which and why in one sentence."""


@dataclass(frozen=True)
class Limit:
    """An upper bound on one kind of cost; `text` is the number as the user wrote it, tidied."""

    kind: Kind
    value: float
    text: str

    @property
    def label(self) -> str:
        """The limit in the report: 1/64, 10ms, 30MB, 5MB-model, 5mJ."""
        return self.text + self.kind.unit


@dataclass(frozen=True)
class Budget:
    """Limits that hold together."""

    limits: tuple[Limit, ...]

    @property
    def label(self) -> str:
        """The budget in the report: 1/64, 10ms, 1/64+10ms."""
        return "+".join(limit.label for limit in self.limits)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What is limited."""
        return tuple(limit.kind for limit in self.limits)

    def allows(self, arch: Architecture, costs: Mapping[Kind, Cost]) -> bool:
        """Say whether an architecture keeps all limits; a cost that is not known (NaN) keeps none.

        Costs that are known exactly are looked at first, and the others only where those are kept.
        """
        cheap_first = sorted(self.limits, key=lambda limit: not limit.kind.exact)
        return all(costs[limit.kind](arch) <= limit.value for limit in cheap_first)

    def load(self, spent: Mapping[Kind, float]) -> float:
        """Return the largest share of any limit that is spent; above 1 the budget is not met."""
        shares = [spent[limit.kind] / limit.value for limit in self.limits]
        return math.inf if any(math.isnan(share) for share in shares) else max(shares)


class InfeasibleBudget(ValueError):
    """A budget that no subnet meets; the message names the nearest miss."""

    def __init__(self, budget: Budget, nearest: str) -> None:
        super().__init__(f"budget {budget.label} cannot be met: {nearest}")
        self.budget = budget
        self.nearest = nearest


def parse_limits(kind: Kind, text: str) -> tuple[Limit, ...]:
    """Read a comma list such as `1,1/2,0.1` or `20,10,5`; a value given twice counts once. Raises BudgetError."""
    limits: dict[float, Limit] = {}
    for part in text.split(","):
        limit = _parse_limit(kind, part.strip())
        limits.setdefault(limit.value, limit)
    return tuple(limits.values())


def parse_budgets(options: Mapping[Kind, str | None]) -> tuple[Budget, ...]:
    """Return every combination of the options' alternatives, in the order of `KINDS`; None is an option not given.

    Where none is given the default compute budgets apply. Raises BudgetError.
    """
    given = [parse_limits(kind, text) for kind in KINDS if (text := options.get(kind)) is not None]
    alternatives = given or [parse_limits(COMPUTE, DEFAULT)]
    if (count := math.prod(map(len, alternatives))) > MOST_BUDGETS:
        names = " and ".join(limits[0].kind.option for limits in alternatives)
        raise BudgetError(f"{names}: {count} budgets in all are too many; one run answers {MOST_BUDGETS} at most")
    return tuple(Budget(limits) for limits in itertools.product(*alternatives))


def split_feasible(
    budgets: Iterable[Budget], least: Mapping[Kind, float], cheapest: Mapping[Kind, str] | None = None
) -> tuple[list[Budget], list[InfeasibleBudget]]:
    """Part the budgets, before any search, into those that may be met and those that cannot, each with its reason.

    `least` is the smallest cost that any subnet has, by kind; of a kind that it lacks nothing can be ruled out.
    `cheapest` has words for the subnet that costs so little, where the kind's own do not fit.
    """
    words = {kind: kind.cheapest for kind in KINDS} | dict(cheapest or {})
    possible, misses = [], []
    for budget in budgets:
        missed = [limit.kind for limit in budget.limits if least.get(limit.kind, 0.0) > limit.value]
        if missed:
            nearest = " and ".join(f"{words[kind]} needs {kind.show(least[kind])}" for kind in missed)
            misses.append(InfeasibleBudget(budget, nearest))
        else:
            possible.append(budget)
    return possible, misses


def _parse_limit(kind: Kind, text: str) -> Limit:
    try:
        value, tidied = _number(kind, text)
    except (ValueError, ZeroDivisionError):
        raise BudgetError(f"{kind.option}: {text!r} is not {kind.meaning}") from None
    if value <= 0 or (kind.relative and value > 1):
        raise BudgetError(f"{kind.option}: {text} is not {kind.meaning}")
    return Limit(kind, float(value), tidied)


def _number(kind: Kind, text: str) -> tuple[Fraction, str]:
    if kind.relative and _FRACTION.fullmatch(text):
        fraction = Fraction(text)
        return fraction, str(fraction)
    if _DECIMAL.fullmatch(text):
        return Fraction(Decimal(text)), _plain(Decimal(text))
    raise ValueError(text)


def _plain(number: Decimal) -> str:
    """Write a decimal number without exponent and trailing zeros."""
    return f"{number.normalize():f}"


def describe(budget: Budget, spent: Mapping[Kind, float]) -> str:
    """Write costs in the terms of a budget, those that are known: 1/8 and 6.2ms."""
    return " and ".join(kind.show(spent[kind]) for kind in budget.kinds if not math.isnan(spent[kind]))


def costs_of(arch: Architecture, costs: Mapping[Kind, Cost], kinds: Sequence[Kind]) -> dict[Kind, float]:
    """Return what an architecture costs in each of the given kinds."""
    return {kind: costs[kind](arch) for kind in kinds}
