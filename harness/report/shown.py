"""What a picture shows: rows with the looks and names that its panels share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from harness.report.looks import NEUTRAL, series_look
from harness.report.rows import Row
from harness.report.words import flags, label, loosest_first, shared_configuration

_MOST_FAILURES_NAMED = 4


class Shown:
    """Rows, the devices and precisions that they are of, and the names of what stands out among them."""

    def __init__(self, rows: Sequence[Row], baselines: Mapping[str, str]) -> None:
        self.rows = rows
        self.baselines = baselines
        self.by_series: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            self.by_series[row.series].append(row)
        self.looks = {series: series_look(index) for index, series in enumerate(self.by_series)}

    def setting(self, series: str) -> str:
        """Name a series, with what all its rows share."""
        rows = self.by_series[series]
        known = [text for text in shared_configuration(rows) if text != rows[0].precision]
        return " · ".join([series, *known])

    def failures(self) -> list[str]:
        """Say which chosen subnets and baselines failed and why, and how many others did."""
        failed = [row for row in self.rows if row.status == "failed"]
        named = [row for row in failed if self.is_named(row)][:_MOST_FAILURES_NAMED]
        lines = [f"× {self._name([row])} failed on {row.device}: {row.reason}" for row in named]
        if len(failed) > len(named):
            lines.append(f"× {len(failed) - len(named)} more subnets failed; tradeoff.csv says why")
        return [line if len(line) <= 150 else f"{line[:149]}…" for line in lines]

    def is_named(self, row: Row) -> bool:
        """Say whether a row stands out: it was selected, or is a baseline."""
        return row.selected == "yes" or row.arch_id in self.baselines

    def label(self, row: Row) -> str:
        """Name a finalist or baseline on a device, with what is not as it should be."""
        name = self.baselines.get(row.arch_id)
        return " · ".join([name, *flags(row)]) if name else label(row)

    def common_colour(self, several: Iterable[str]) -> str:
        """Return the colour of a series, or a neutral one for several."""
        colours = {self.looks[series].colour for series in several}
        return colours.pop() if len(colours) == 1 else NEUTRAL

    def subnet_label(self, rows: Sequence[Row]) -> str:
        """Name a subnet where its multiply-adds are shown: what it was chosen for anywhere, and where it failed."""
        name, failed = self._name(rows), ", ".join(row.device for row in rows if row.status == "failed")
        if not failed:
            return name
        return f"{name} · failed" if len(self.looks) == 1 else f"{name} · failed on {failed}"

    def _name(self, rows: Sequence[Row]) -> str:
        """Return the baselines that rows are of and the budgets that they answer."""
        names = dict.fromkeys(self.baselines[row.arch_id] for row in rows if row.arch_id in self.baselines)
        return ", ".join([*names, *loosest_first({budget for row in rows for budget in row.budgets})])
