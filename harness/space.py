"""The space of architectures: which widths a model bank can run at.

An architecture is a plain tuple of channel counts - stem, stage outputs in order, inner widths in forward order -
so it is hashable, printable, and enough to rebuild the subnet.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

Architecture = tuple[int, ...]

#: Spread of a slot's log width around the sampled overall width: wide enough to train and search non-uniform nets.
JITTER = 0.3


@dataclass(frozen=True)
class Slot:
    """One width of an architecture: multiples of `divisor` from `minimum` to `full` channels.

    A slot with `tied_to` has no choice of its own: an identity shortcut makes it equal to that other slot.
    """

    name: str
    full: int
    minimum: int
    divisor: int
    tied_to: int | None = None

    @property
    def choices(self) -> tuple[int, ...]:
        """The allowed channel counts, ascending."""
        return tuple(range(self.minimum, self.full + 1, self.divisor))

    def snap(self, width: float) -> int:
        """Return the allowed channel count nearest to `width`."""
        steps = round((width - self.minimum) / self.divisor)
        return min(max(self.minimum + steps * self.divisor, self.minimum), self.full)


@dataclass(frozen=True)
class Space:
    """All architectures of one model."""

    model: str
    slots: tuple[Slot, ...]

    @cached_property
    def free(self) -> tuple[int, ...]:
        """Indices of the slots with a choice of their own."""
        return tuple(i for i, slot in enumerate(self.slots) if slot.tied_to is None)

    @property
    def full(self) -> Architecture:
        """The widest architecture."""
        return tuple(slot.full for slot in self.slots)

    @property
    def smallest(self) -> Architecture:
        """The narrowest architecture."""
        return tuple(slot.minimum for slot in self.slots)

    @cached_property
    def size(self) -> int:
        """How many architectures there are."""
        return math.prod(len(self.slots[i].choices) for i in self.free)

    def uniform(self, ratio: float) -> Architecture:
        """Return the architecture with every width as near to `ratio` of its full width as the grid allows."""
        return self._tie([slot.snap(slot.full * ratio) for slot in self.slots])

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw a non-uniform architecture whose overall width is log-uniform between the smallest and the full one."""
        ratio = math.exp(rng.uniform(math.log(self._smallest_ratio), 0.0))
        return self._jittered(ratio, self._jitter(rng))

    def sample_within(
        self,
        rng: np.random.Generator,
        cost: Callable[[Architecture], float],
        low: float,
        high: float,
        tries: int = 32,
    ) -> Architecture | None:
        """Draw a non-uniform architecture with `low` <= `cost` <= `high`, or None after `tries` draws.

        Every draw fixes the proportions of the widths and bisects their overall scale, so that narrow windows are
        found without rejection sampling for ever. `cost` must not fall when widths grow.
        """
        for _ in range(tries):
            jitter = self._jitter(rng)
            aim = rng.uniform(low, high)
            below, above = self._smallest_ratio / 2, 2.0
            for _ in range(24):
                middle = math.sqrt(below * above)
                if cost(self._jittered(middle, jitter)) <= aim:
                    below = middle
                else:
                    above = middle
            candidate = self._jittered(below, jitter)
            if low <= cost(candidate) <= high:
                return candidate
        return None

    def drops(self, arch: Architecture, share: float) -> list[Architecture]:
        """Return `arch` with one channel group dropped, once for every free slot that can still shrink.

        A group is `share` of the slot's present width, rounded to the grid and at least one step of it.
        """
        shrunk = []
        for index in self.free:
            slot, width = self.slots[index], arch[index]
            if width == slot.minimum:
                continue
            steps = max(1, round(width * share / slot.divisor))
            widths = list(arch)
            widths[index] = max(slot.minimum, width - steps * slot.divisor)
            shrunk.append(self._tie(widths))
        return shrunk

    def from_indices(self, indices: Sequence[int]) -> Architecture:
        """Return the architecture that takes the given choice in every free slot."""
        widths = [slot.minimum for slot in self.slots]
        for index, choice in zip(self.free, indices, strict=True):
            widths[index] = self.slots[index].choices[int(choice)]
        return self._tie(widths)

    def to_indices(self, arch: Architecture) -> tuple[int, ...]:
        """Return the choice that `arch` takes in every free slot; the inverse of `from_indices`."""
        self.validate(arch)
        return tuple((arch[i] - self.slots[i].minimum) // self.slots[i].divisor for i in self.free)

    def validate(self, arch: Architecture) -> Architecture:
        """Return `arch` if it belongs to the space; raise ValueError in one sentence if not."""
        if len(arch) != len(self.slots):
            raise ValueError(f"{self.model} has {len(self.slots)} widths, not {len(arch)}: {encode(arch)}")
        for slot, width in zip(self.slots, arch, strict=True):
            if width not in slot.choices:
                raise ValueError(
                    f"{slot.name} of {self.model} cannot have {width} channels: "
                    f"multiples of {slot.divisor} from {slot.minimum} to {slot.full} are allowed"
                )
            if slot.tied_to is not None and width != arch[slot.tied_to]:
                raise ValueError(f"{slot.name} of {self.model} must equal {self.slots[slot.tied_to].name}")
        return arch

    def __contains__(self, arch: Architecture) -> bool:
        try:
            self.validate(arch)
        except ValueError:
            return False
        return True

    @cached_property
    def _smallest_ratio(self) -> float:
        return min(slot.minimum / slot.full for slot in self.slots)

    def _jitter(self, rng: np.random.Generator) -> list[float]:
        return [math.exp(z) for z in rng.normal(0.0, JITTER, len(self.slots))]

    def _jittered(self, ratio: float, jitter: Sequence[float]) -> Architecture:
        return self._tie([slot.snap(slot.full * ratio * j) for slot, j in zip(self.slots, jitter, strict=True)])

    def _tie(self, widths: list[int]) -> Architecture:
        return tuple(
            width if slot.tied_to is None else widths[slot.tied_to]
            for slot, width in zip(self.slots, widths, strict=True)
        )


def encode(arch: Architecture) -> str:
    """Write an architecture as dash-separated channel counts."""
    return "-".join(map(str, arch))


def decode(text: str) -> Architecture:
    """Read what `encode` wrote; ValueError if it is not dash-separated positive integers."""
    parts = text.split("-")
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise ValueError(f"not an architecture (dash-separated channel counts): {text!r}")
    return tuple(map(int, parts))


def arch_id(model: str, arch: Architecture) -> str:
    """Return the short name of a subnet: the first 12 hex digits of sha256 of `model:widths`."""
    return hashlib.sha256(f"{model}:{encode(arch)}".encode()).hexdigest()[:12]
