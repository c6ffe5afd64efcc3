"""What a run leaves to read: the table of the whole trade-off, its picture, and the closing table in the terminal."""

from harness.report.accuracy import Accuracy, accuracy
from harness.report.front import mark_front
from harness.report.picture import draw_tradeoff
from harness.report.rows import Row, columns
from harness.report.table import ReportError, read_csv, write_csv
from harness.report.terminal import closing_tables

__all__ = [
    "Accuracy",
    "ReportError",
    "Row",
    "accuracy",
    "closing_tables",
    "columns",
    "draw_tradeoff",
    "mark_front",
    "read_csv",
    "write_csv",
]
