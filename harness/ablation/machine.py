"""The machine that an ablation runs on, in words for its tables."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from devices.agent.processor import name


def machine() -> str:
    """Return processor, cores and torch's version."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        cpuinfo = ""
    processor = name(cpuinfo) or platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} cores; torch {torch.__version__}"
