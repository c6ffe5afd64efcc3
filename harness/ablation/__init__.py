"""The paper's experiments over tasks and seeds: everything is trained once and kept, so it can resume.

Variants of one task and seed start from the same source iterations. They are compared at the same uniform widths, under
the same batch-norm rule, at fixed training lengths: nothing is chosen by target labels, which are read for the report.
"""

from harness.ablation.errors import AblationError
from harness.ablation.experiments import EXPERIMENTS, Experiment, chosen_experiments, chosen_methods
from harness.ablation.network import Network, chosen_network
from harness.ablation.plan import BUDGETS, Plan, share
from harness.ablation.reporting import warnings, write_experiment
from harness.ablation.running import run_ablation
from harness.ablation.tasks import fetch_task

__all__ = [
    "BUDGETS",
    "EXPERIMENTS",
    "AblationError",
    "Experiment",
    "Network",
    "Plan",
    "chosen_experiments",
    "chosen_methods",
    "chosen_network",
    "fetch_task",
    "run_ablation",
    "share",
    "warnings",
    "write_experiment",
]
