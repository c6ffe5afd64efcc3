"""Tables and pictures of the ablation's experiments, as CSV, Markdown and PNG."""

from harness.report.ablation.convergence import CheckpointAccuracy, Course, write_convergence
from harness.report.ablation.correlations import Scored
from harness.report.ablation.ladder import write_ablation, write_variants
from harness.report.ablation.pictures import draw_ablation
from harness.report.ablation.results import SOURCE_STATISTICS, Outcome, Seeded, accuracies
from harness.report.ablation.search import FoundSubnet, write_search
from harness.report.ablation.sheet import Sheet
from harness.report.ablation.upem import UPEM_FORMS, ScoredEveryWay, UpemForm, write_upem

__all__ = [
    "SOURCE_STATISTICS",
    "UPEM_FORMS",
    "CheckpointAccuracy",
    "Course",
    "FoundSubnet",
    "Outcome",
    "Scored",
    "ScoredEveryWay",
    "Seeded",
    "Sheet",
    "UpemForm",
    "accuracies",
    "draw_ablation",
    "write_ablation",
    "write_convergence",
    "write_search",
    "write_upem",
    "write_variants",
]
