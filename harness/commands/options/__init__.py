"""The options that commands share, each stated once, in groups that commands take whole or in part."""

from harness.commands.options.devices import DeviceOptions, InferenceOptions, LimitOptions, SearchOptions
from harness.commands.options.panels import ADAPTATION, COMPARISON, DEVICES, EXPERIMENTS, MEASURING, RUNNING
from harness.commands.options.run import RunOptions, StoreOptions, TellingOptions
from harness.commands.options.taking import only, takes
from harness.commands.options.training import DataOptions, MethodOptions, ScheduleOptions, TrainingOptions

__all__ = [
    "ADAPTATION",
    "COMPARISON",
    "DEVICES",
    "EXPERIMENTS",
    "MEASURING",
    "RUNNING",
    "DataOptions",
    "DeviceOptions",
    "InferenceOptions",
    "LimitOptions",
    "MethodOptions",
    "RunOptions",
    "ScheduleOptions",
    "SearchOptions",
    "StoreOptions",
    "TellingOptions",
    "TrainingOptions",
    "only",
    "takes",
]
