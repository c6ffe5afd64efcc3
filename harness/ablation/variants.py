"""A variant: a method, what of its settings differs, and the head that is evaluated."""

from __future__ import annotations

from dataclasses import dataclass

from harness.adaptation import DEPLOYED_HEAD, AdaptationSettings, Method
from harness.bank import Head


@dataclass(frozen=True)
class Variant:
    """One line of an experiment's table, called `label` there.

    Variants that come to the same settings share one training, whatever experiment they belong to.
    """

    label: str
    method: Method
    overrides: tuple[tuple[str, object], ...] = ()
    head: Head | None = None
    """The head that is evaluated; None: the method's own."""

    def settings(self, base: AdaptationSettings, seed: int) -> AdaptationSettings:
        """Return the settings of its training, where all that it does not override is as in `base`."""
        changes = {**dict(self.overrides), "method": self.method, "seed": seed}
        return AdaptationSettings.model_validate({**base.model_dump(), **changes})

    def training(self, base: AdaptationSettings) -> str:
        """Return the name of its training: the method, and the overrides that say something else than `base`."""
        return "-".join([self.method, *(f"{name}={value}" for name, value in self._changes(base))])

    def cell(self, base: AdaptationSettings) -> str:
        """Return the name of what is measured of it: its training, and the head where that is not the method's own."""
        other = self.deployed_head != DEPLOYED_HEAD[self.method]
        return self.training(base) + (f"-head={self.deployed_head}" if other else "")

    @property
    def deployed_head(self) -> Head:
        """The head that is evaluated."""
        return self.head or DEPLOYED_HEAD[self.method]

    def _changes(self, base: AdaptationSettings) -> list[tuple[str, object]]:
        return [(name, value) for name, value in self.overrides if value != getattr(base, name)]


def variant(label: str, method: Method = "slimda", *, head: Head | None = None, **overrides: object) -> Variant:
    """Return a variant; `overrides` are fields of AdaptationSettings."""
    return Variant(label, method, tuple(overrides.items()), head)
