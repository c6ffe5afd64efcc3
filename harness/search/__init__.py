"""Search: UPEM, budgets, and the strategies that find the subnets of least UPEM within each budget."""

from harness.search import evolutionary, greedy, random, uniform
from harness.search.budgets import (
    COMPUTE,
    ENERGY,
    KINDS,
    LATENCY,
    MEMORY,
    MODEL_SIZE,
    Budget,
    BudgetError,
    Cost,
    InfeasibleBudget,
    Kind,
    Limit,
    costs_of,
    describe,
    parse_budgets,
    parse_limits,
    split_feasible,
)
from harness.search.candidates import Candidate, ChosenBy, Found, Problem, Progress, Score, Strategy
from harness.search.selection import Selection, select
from harness.search.uniform import costliest_uniform, uniform_architectures
from harness.search.upem import Scorer, discrepancy

#: All ways of searching, by the name that the report gives them.
STRATEGIES: dict[ChosenBy, Strategy] = {
    "uniform": uniform.search,
    "greedy": greedy.search,
    "evolution": evolutionary.search,
    "random": random.search,
}

__all__ = [
    "COMPUTE",
    "ENERGY",
    "KINDS",
    "LATENCY",
    "MEMORY",
    "MODEL_SIZE",
    "STRATEGIES",
    "Budget",
    "BudgetError",
    "Candidate",
    "ChosenBy",
    "Cost",
    "Found",
    "InfeasibleBudget",
    "Kind",
    "Limit",
    "Problem",
    "Progress",
    "Score",
    "Scorer",
    "Selection",
    "Strategy",
    "costliest_uniform",
    "costs_of",
    "describe",
    "discrepancy",
    "evolutionary",
    "greedy",
    "parse_budgets",
    "parse_limits",
    "random",
    "select",
    "split_feasible",
    "uniform",
    "uniform_architectures",
]
