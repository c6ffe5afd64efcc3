"""Search: UPEM, budgets, and the strategies that find the subnets of least UPEM within each budget."""

from harness.search import evolutionary, greedy, random, spread, uniform
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
from harness.search.candidates import Candidate, ChosenBy, Found, Problem, Progress, Strategy
from harness.search.halving import Halving
from harness.search.score_book import ScoreBook, ScoreBookError
from harness.search.scores import Score
from harness.search.selection import Selection, select
from harness.search.uniform import costliest_uniform, uniform_architectures
from harness.search.upem import Anchor, Norm, Scorer, discrepancy

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
    "Anchor",
    "Budget",
    "BudgetError",
    "Candidate",
    "ChosenBy",
    "Cost",
    "Found",
    "Halving",
    "InfeasibleBudget",
    "Kind",
    "Limit",
    "Norm",
    "Problem",
    "Progress",
    "Score",
    "ScoreBook",
    "ScoreBookError",
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
    "spread",
    "uniform",
    "uniform_architectures",
]
