"""Choosing subnets: from scores and costs, through the searches, to what keeps its budgets on the device."""

from harness.choosing.ruling_out import least_exactly, rule_out_the_impossible
from harness.choosing.scoring import scorer_for
from harness.choosing.searching import find_candidates, number_of_searches, opposed_kinds
from harness.choosing.verifying import verify

__all__ = [
    "find_candidates",
    "least_exactly",
    "number_of_searches",
    "opposed_kinds",
    "rule_out_the_impossible",
    "scorer_for",
    "verify",
]
