"""What a run leaves to read: the whole trade-off as a table, a picture and a page, and the terminal's closing table."""

from harness.report.accuracy import Accuracy, accuracy
from harness.report.comparisons import Comparison, Versus, comparison_table
from harness.report.cost_models import CostModelRecord
from harness.report.cost_words import cost_sentences
from harness.report.front import mark_front
from harness.report.page import Caution, Layer, Moment, ProcessSamples, RunFacts, SubnetSamples, write_page
from harness.report.picture import draw_tradeoff
from harness.report.planned import PlannedAnswer, planned_table
from harness.report.rows import Row, columns, series_name
from harness.report.table import ReportError, read_csv, write_csv
from harness.report.terminal import closing_tables

__all__ = [
    "Accuracy",
    "Caution",
    "Comparison",
    "CostModelRecord",
    "Layer",
    "Moment",
    "PlannedAnswer",
    "ProcessSamples",
    "ReportError",
    "Row",
    "RunFacts",
    "SubnetSamples",
    "Versus",
    "accuracy",
    "closing_tables",
    "columns",
    "comparison_table",
    "cost_sentences",
    "draw_tradeoff",
    "mark_front",
    "planned_table",
    "read_csv",
    "series_name",
    "write_csv",
    "write_page",
]
