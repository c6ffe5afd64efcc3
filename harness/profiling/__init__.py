"""Profiling a device: which networks and layers are measured, and the cost models fitted to them."""

from harness.profiling.exploring import deployment_for, explored
from harness.profiling.limited_costs import COST_NAMES, find_out, least_of, limited
from harness.profiling.pool import RUNGS, pool
from harness.profiling.profile import Profile
from harness.profiling.profiler import Profiler

__all__ = [
    "COST_NAMES",
    "RUNGS",
    "Profile",
    "Profiler",
    "deployment_for",
    "explored",
    "find_out",
    "least_of",
    "limited",
    "pool",
]
