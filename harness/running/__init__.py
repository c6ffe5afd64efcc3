"""A run: what it was asked to do, where it lies, what its stages share, and how they reach the devices."""

from harness.running.device_options import missing, offered, overridden
from harness.running.holding import RunError, held
from harness.running.run import Configuration, NothingLeft, Run
from harness.running.run_folder import (
    BaselineRecord,
    Record,
    RunFolder,
    has_begun,
    new_path,
    open_run,
    open_store,
    read_record,
)
from harness.running.settings import RunSettings, listed, settings_from
from harness.running.side_by_side import Reached, side_by_side

__all__ = [
    "BaselineRecord",
    "Configuration",
    "NothingLeft",
    "Reached",
    "Record",
    "Run",
    "RunError",
    "RunFolder",
    "RunSettings",
    "has_begun",
    "held",
    "listed",
    "missing",
    "new_path",
    "offered",
    "open_run",
    "open_store",
    "overridden",
    "read_record",
    "settings_from",
    "side_by_side",
]
