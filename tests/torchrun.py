"""Real processes that a real torchrun starts."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.sources import ROOT


def torchrun(processes: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script and its arguments in several processes of this machine, and return how torchrun ended."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "--"]
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=250,
    )
