"""What-ifs: new budgets answered in seconds from what a run measured and scored, without a device and without a search.

Every answer is a prediction. It is one of the subnets that the run's searches scored, so a search may still find a
better one, and only a measurement says what it costs.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.bank import Architecture, load_bank
from harness.console import Console
from harness.costs import ComplexityCounter, KeptCosts, LayerTable
from harness.planning.predicted import PredictedCosts
from harness.report import planned_table, read_csv
from harness.running import Configuration, RunFolder
from harness.search import KINDS, Candidate, InfeasibleBudget, ScoreBook, select

#: Options of a search, beside its limits, that say what it is about.
ABOUT = ("run", "store", "device", "host", "precision", "batch_size")


def is_what_if(options: Mapping[str, Any]) -> bool:
    """Say whether the options of a search limit something, and ask neither to measure nor to estimate."""
    return options["estimate"] is None and any(options[kind.setting] is not None for kind in KINDS)


@dataclass(frozen=True)
class Answers:
    """What a what-if brings: for every budget and device an answer, as `--json` tells it, or a problem."""

    found: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Exception] = field(default_factory=list)


@dataclass(frozen=True)
class Planner:
    """Answers the budgets of configurations all of which the run measured."""

    folder: RunFolder
    configurations: Sequence[Configuration]
    upem: Mapping[Architecture, float]
    """Of all that the run's searches scored."""

    @classmethod
    def of(cls, folder: RunFolder, configurations: Sequence[Configuration]) -> Planner | None:
        """Return a planner where the folder has scores, and costs of every configuration; else None."""
        key = folder.record.score_key
        if not key or not folder.scores.exists() or not all(_file(folder, own).exists() for own in configurations):
            return None
        upem = ScoreBook(folder.scores).all(key)
        return cls(folder, configurations, upem) if upem else None

    def answer(self, console: Console, options: Mapping[str, Any]) -> Answers:
        """Tell the subnet of least UPEM within each budget, by prediction; `options` are the command's.

        Writes nothing. Raises KeptCostsError where what was kept cannot be used.
        """
        bank, _ = load_bank(self.folder.bank)
        counter, table = ComplexityCounter(bank), LayerTable(bank)
        rows = read_csv(self.folder.tradeoff) if self.folder.tradeoff.exists() else []
        scored = [
            Candidate(arch, upem, counter.compute_fraction(arch), None)
            for arch, upem in self.upem.items()
            if bank.offers(arch)
        ]
        measuring, answers = _measuring(options), Answers()
        for configuration in self.configurations:
            kept = KeptCosts.read(_file(self.folder, configuration))
            costs = PredictedCosts.of(configuration, kept, counter, table, rows)
            answerable, refused = costs.answerable(measuring)
            selections, misses = select(scored, answerable, costs.known, runners_up=0)
            planned = [costs.answer(selection) for selection in selections]
            if planned:
                console.say(planned_table(costs.title, planned, costs.notes))
            answers.found.extend({**costs.about, **asdict(answer)} for answer in planned)
            answers.problems.extend([*refused, *(_by_prediction(miss, configuration) for miss in misses)])
        for problem in answers.problems:
            console.error(str(problem))
        if answers.found:
            console.say(f"predicted, not measured; to search and verify on the device: {measuring}")
        return answers


def _file(folder: RunFolder, configuration: Configuration) -> Path:
    return folder.costs(configuration.profile.name, configuration.precision, configuration.batch_size)


def _by_prediction(miss: InfeasibleBudget, configuration: Configuration) -> InfeasibleBudget:
    return InfeasibleBudget(miss.budget, f"by prediction for {configuration.name}, {miss.nearest}")


def _measuring(options: Mapping[str, Any]) -> str:
    """Return the same command, on the device."""
    names = [name for name in (*ABOUT, *(kind.setting for kind in KINDS)) if options[name] is not None]
    given = [part for name in names for part in (f"--{name.replace('_', '-')}", str(options[name]))]
    return shlex.join(["python", "benchmark.py", "search", *given, "--measure"])
