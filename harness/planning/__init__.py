"""Planning without the devices: estimates from published figures, and what-ifs from what a run has measured."""

from harness.planning.estimating import (
    cautions,
    profile_roof,
    refuse_unestimated,
    roof_of,
    rule_out_by_estimate,
    search_by_estimate,
)
from harness.planning.what_if import Planner, is_what_if

__all__ = [
    "Planner",
    "cautions",
    "is_what_if",
    "profile_roof",
    "refuse_unestimated",
    "roof_of",
    "rule_out_by_estimate",
    "search_by_estimate",
]
