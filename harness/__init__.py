"""Everything that runs on the workstation: adapt, measure, search, report.

`import harness` is the library (docs/library.md). Its names are loaded when they are first used, so that what needs
none of them, such as the command line's `--help`, does not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import CostModel, ModelBank, adapt, cut, profile, report_run, search_run

__all__ = ["CostModel", "ModelBank", "adapt", "cut", "profile", "report_run", "search_run"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # a type checker would take any name for one that is there

    def __getattr__(name: str) -> Any:
        if name in __all__:
            return getattr(importlib.import_module("harness.api"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
