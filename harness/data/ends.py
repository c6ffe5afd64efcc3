"""What --source and --target may name: a data set, one of its domains, an image folder or an image list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from harness.data.catalogue import DATA_SETS, NAMES, PHOTOGRAPHS, DataSet
from harness.data.corruptions import CORRUPTIONS, SEVERITY, Corruption
from harness.data.domains import DataError

PAIR = "->"
CORRUPTED_SET = "cifar10"
_CORRUPTED = re.compile(rf"({'|'.join(('corrupted', *CORRUPTIONS))})(?:-([1-5]))?")


@dataclass(frozen=True)
class PathEnd:
    """Images of the user's own: a folder, or a list file."""

    path: Path


@dataclass(frozen=True)
class SmallEnd:
    """A set of small images by name; `corruption` and `severity` where it is to be corrupted in code."""

    name: str
    corruption: Corruption | Literal["corrupted"] | None = None
    severity: int = SEVERITY

    @property
    def label(self) -> str:
        """How it is called in reports; the severity always stands there."""
        return self.name if self.corruption is None else f"{self.name}:{self.corruption}-{self.severity}"


@dataclass(frozen=True)
class PhotographEnd:
    """A domain of a photographic set by name."""

    known: DataSet
    domain: str

    @property
    def label(self) -> str:
        """How it is called in reports."""
        return f"{self.known.name}:{self.domain}"


End = PathEnd | SmallEnd | PhotographEnd


def parse_end(spec: str) -> End:
    """Read what an option names; a known name wins over a path of the same name. Raises DataError."""
    name, colon, domain = spec.partition(":")
    known = DATA_SETS.get(name)
    if known is None:
        if not Path(spec).exists():
            raise DataError(
                f"{spec} does not exist as an image folder or image list, nor is it one of the data sets known by "
                f"name: {', '.join(NAMES)}."
            )
        return PathEnd(Path(spec))
    if known in PHOTOGRAPHS:
        if domain not in known.domains:
            choices = ", ".join(f"{name}:{one}" for one in known.domains)
            raise DataError(f"{spec} names no domain of {name}; it has {choices}.")
        return PhotographEnd(known, domain)
    return _small(spec, name, domain) if colon else SmallEnd(name)


def named_pair(task: str) -> tuple[str, str] | None:
    """Both ends of "SOURCE->TARGET" where each is known by name; None where it is no such pair.

    Raises DataError where a known set has no such domain.
    """
    ends = task.split(PAIR)
    if len(ends) != 2 or not all(end.partition(":")[0] in DATA_SETS for end in ends):
        return None
    for end in ends:
        parse_end(end)
    return ends[0], ends[1]


def _small(spec: str, name: str, domain: str) -> SmallEnd:
    found = _CORRUPTED.fullmatch(domain) if name == CORRUPTED_SET else None
    if found is None:
        corruptions = ", ".join(f"{CORRUPTED_SET}:{one}" for one in ("corrupted", *CORRUPTIONS))
        more = f"{corruptions}, each also with a severity as in {CORRUPTED_SET}:fog-3" if name == CORRUPTED_SET else ""
        raise DataError(f"{spec} names no domain of {name}; it has {more or 'none, only ' + name}.")
    kind, severity = cast("tuple[Corruption, str | None]", found.groups())
    return SmallEnd(name, kind, int(severity or SEVERITY))
