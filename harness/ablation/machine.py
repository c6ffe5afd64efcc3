"""The machine that an ablation runs on, in words for its tables."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from devices.agent.processor import name
from harness.adaptation import Hardware


def machine(hardware: Hardware) -> str:
    """Return processor, cores, torch's version, and what was trained on where that is not the processor in float32."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        cpuinfo = ""
    processor = name(cpuinfo) or platform.processor() or platform.machine()
    trained = "" if hardware == Hardware() else f"; trained on {hardware}"
    return f"{processor}, {os.cpu_count()} cores; torch {torch.__version__}{trained}"
