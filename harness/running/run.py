"""One run: what its stages share, what went wrong so far, and how they reach the devices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from threading import Lock

from devices import Device, DeviceError, DeviceProfile, Precision, connect
from devices.fingerprint import TENSORRT_ENGINES
from harness.bank import Start
from harness.console import Console
from harness.data import Domains
from harness.export import ExportMismatch, PrecisionError
from harness.measuring import MeasurementError, Store
from harness.report import CostModelRecord, series_name
from harness.running.holding import RunError
from harness.running.run_folder import RunFolder
from harness.running.settings import RunSettings
from harness.running.side_by_side import Reached, side_by_side
from harness.search import Budget, InfeasibleBudget

#: What costs a run one device or one budget, but not the others.
PARTIAL = (DeviceError, MeasurementError, ExportMismatch, PrecisionError, InfeasibleBudget)


class NothingLeft(Exception):
    """Every device or every budget is lost; `Run.problems` says why."""


@dataclass
class Configuration:
    """One device in one precision, at one batch size, and the budgets that it is still asked for."""

    profile: DeviceProfile
    precision: Precision
    batch_size: int
    budgets: list[Budget]

    @property
    def name(self) -> str:
        """What it is called at the terminal and in run.json."""
        return series_name(self.profile.name, self.precision, self.batch_size)


@dataclass
class Run:
    """What the stages share, and what went wrong so far."""

    folder: RunFolder
    console: Console
    store: Store
    domains: Domains
    configurations: list[Configuration]
    problems: list[Exception] = field(default_factory=list)
    workstation: Lock = field(default_factory=Lock)
    """Held by one device's thread at a time for what is computed on this machine, or kept in the run folder."""
    asked: tuple[Configuration, ...] = field(init=False)
    """All that the run began with."""

    def __post_init__(self) -> None:
        self.asked = tuple(self.configurations)

    @property
    def settings(self) -> RunSettings:
        """The run's arguments."""
        return self.folder.record.arguments

    @property
    def provenance(self) -> dict[str, str]:
        """What an exported file says of where it comes from."""
        adaptation = self.settings.adaptation
        return {"data": self.domains.name, "method": adaptation.method, "seed": str(adaptation.seed)}

    @property
    def cost_models(self) -> dict[str, CostModelRecord]:
        """What is known of the models that predict the costs of this run's configurations; nothing where estimated."""
        if self.settings.estimate:
            return {}
        known = self.folder.record.cost_models
        return {c.name: known[c.name] for c in self.configurations if c.name in known}

    @property
    def baseline_names(self) -> dict[str, str]:
        """The baselines that the searches so far have measured, by arch_id."""
        return {arch_id: baseline.name for arch_id, baseline in self.folder.record.baselines.items()}

    def for_tensorrt(self, precision: Precision) -> bool:
        """Whether TensorRT serves any device of this run in a precision, as far as they have been reached.

        A subnet's file has one name for all devices, so all of them get the form that TensorRT reads. A device that is
        lost later still counts, so that what was measured stays what is kept.
        """
        asked = [configuration for configuration in self.asked if configuration.precision == precision]
        return any(self._engine(configuration) in TENSORRT_ENGINES for configuration in asked)

    def _engine(self, configuration: Configuration) -> str | None:
        """Return what serves a device; an estimate is of what its profile prefers."""
        if self.settings.estimate:
            return configuration.profile.engines[0]
        found = self.folder.record.devices.get(configuration.name, {}).get("engine")
        return None if found is None else str(found)

    def begin_with(self, start: Start) -> None:
        """Keep what the bank starts from, and tell it. Raises RunError where the run began with other weights."""
        digest = {"source": start.source, "sha256": start.sha256}
        if self.folder.record.weights.get("sha256", start.sha256) != start.sha256:
            raise RunError(
                f"{start.source} is no longer what the run in {self.folder.path} began with; start a new run"
            )
        self.folder.record.weights = digest
        for note in start.notes:
            self.console.say(note)

    def note(self, problem: Exception) -> None:
        """Keep a problem that costs a part of the result, and tell it."""
        self.problems.append(problem)
        self.console.error(str(problem))

    def warn(self, warning: str) -> None:
        """Tell what speaks against trusting the result, and keep it for the report, once."""
        if warning not in self.folder.record.warnings:
            self.folder.record.warnings.append(warning)
            self.folder.save()
        self.console.warn(warning)

    def rule_out(self, configuration: Configuration, misses: Iterable[InfeasibleBudget]) -> None:
        """Go on without the budgets that a device cannot meet."""
        for miss in misses:
            self.note(miss)
            configuration.budgets.remove(miss.budget)

    def on_every_device(self, stage: str, work: Callable[[Configuration, Device], object]) -> None:
        """Connect every device in each of its configurations, and do `work`.

        Boards work side by side (`harness.running.side_by_side`). Configurations whose work fails, or that have no
        budget left, are gone from the run. Raises NothingLeft where all are.
        """
        reached = Reached()
        lost: list[Configuration] = []

        def on_one(profile: DeviceProfile) -> None:
            left = [configuration for configuration in self.configurations if configuration.profile == profile]
            while left:
                configuration, entered = left[0], False
                try:
                    with reached.add(connect(profile, precision=configuration.precision)) as device:
                        entered = True
                        with self.folder.timed(f"{stage} {configuration.name}"):
                            work(configuration, device)
                except PARTIAL as problem:
                    if reached.interrupted:  # it is a consequence of that, and the run is over
                        return
                    self.note(problem)
                    lost.extend([configuration] if entered else left)
                    if not entered:
                        return
                left.pop(0)

        def interrupt() -> None:
            self.console.stop()
            reached.interrupt()

        profiles = list({c.profile.name: c.profile for c in self.configurations}.values())
        side_by_side(profiles, on_one, interrupt)
        self.go_on_without(lost)

    def go_on_without(self, lost: Collection[Configuration] = ()) -> None:
        """Drop configurations, and those that no budget is left for. Raises NothingLeft where all are gone."""
        self.configurations = [c for c in self.configurations if c not in lost and c.budgets]
        if not self.configurations:
            raise NothingLeft
