"""One run: what its stages share, what went wrong so far, and how they reach the devices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from threading import Lock

from devices import Device, DeviceError, DeviceProfile, connect
from harness.console import Console
from harness.data import Domains
from harness.export import ExportMismatch
from harness.measuring import MeasurementError, Store
from harness.run_folder import RunFolder
from harness.search import Budget, InfeasibleBudget
from harness.settings import RunSettings
from harness.side_by_side import side_by_side

#: What costs a run one device or one budget, but not the others.
PARTIAL = (DeviceError, MeasurementError, ExportMismatch, InfeasibleBudget)


class NothingLeft(Exception):
    """Every device or every budget is lost; `Run.problems` says why."""


@dataclass
class Run:
    """What the stages share, and what went wrong so far."""

    folder: RunFolder
    console: Console
    store: Store
    domains: Domains
    profiles: list[DeviceProfile]
    budgets: dict[str, list[Budget]]
    problems: list[Exception] = field(default_factory=list)
    workstation: Lock = field(default_factory=Lock)
    """Held by one device's thread at a time for what is computed on this machine, or kept in the run folder."""

    @property
    def settings(self) -> RunSettings:
        """The run's arguments."""
        return self.folder.record.arguments

    @property
    def provenance(self) -> dict[str, str]:
        """What an exported file says of where it comes from."""
        adaptation = self.settings.adaptation
        return {"data": self.domains.name, "method": adaptation.method, "seed": str(adaptation.seed)}

    def note(self, problem: Exception) -> None:
        """Keep a problem that costs a part of the result, and tell it."""
        self.problems.append(problem)
        self.console.error(str(problem))

    def rule_out(self, profile: DeviceProfile, misses: Iterable[InfeasibleBudget]) -> None:
        """Go on without the budgets that a device cannot meet."""
        for miss in misses:
            self.note(miss)
            self.budgets[profile.name].remove(miss.budget)

    def on_every_device(self, stage: str, work: Callable[[Device], object]) -> None:
        """Connect every device and do `work` with it; boards side by side (`harness.side_by_side`).

        Devices whose work fails, or that have no budget left, are gone from the run. Raises NothingLeft where all are.
        """
        connected: list[Device] = []
        lost: list[DeviceProfile] = []

        def on_one(profile: DeviceProfile) -> None:
            try:
                with connect(profile) as device, self.folder.timed(f"{stage} {profile.name}"):
                    connected.append(device)
                    work(device)
            except PARTIAL as problem:
                self.note(problem)
                lost.append(profile)

        def interrupt() -> None:
            for device in connected:
                device.interrupt()

        side_by_side(self.profiles, on_one, interrupt)
        self.go_on_without(lost)

    def go_on_without(self, lost: Collection[DeviceProfile] = ()) -> None:
        """Drop devices, and with them those that no budget is left for. Raises NothingLeft where all are gone."""
        self.profiles = [p for p in self.profiles if p not in lost and self.budgets[p.name]]
        if not self.profiles:
            raise NothingLeft
