"""What a user would pick instead: torchvision's networks, adapted as the bank is and measured beside its subnets."""

from harness.baselines.adapting import Contender, adapt_baselines, check_baselines, contenders
from harness.baselines.on_device import export_baselines, take_measured

__all__ = [
    "Contender",
    "adapt_baselines",
    "check_baselines",
    "contenders",
    "export_baselines",
    "take_measured",
]
