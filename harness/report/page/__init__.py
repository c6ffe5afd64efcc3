"""``report.html``: its data, its tables, and the script and style that make it explorable (``assets``)."""

from harness.report.page.facts import Caution, Layer, Moment, ProcessSamples, RunFacts, SubnetSamples
from harness.report.page.writing import write_page

__all__ = ["Caution", "Layer", "Moment", "ProcessSamples", "RunFacts", "SubnetSamples", "write_page"]
