"""What an engine that is built on a Jetson depends on beside the engine itself and the GPU. Nothing is set here."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

_MODE_S = 10.0


def setup() -> dict[str, str]:
    """Return the release of Jetson Linux and the name of the power mode; empty where there is none."""
    return {"l4t": _l4t("/etc/nv_tegra_release"), "power_mode": _power_mode()}


def _l4t(path: str) -> str:
    """Return a release like 36.3.0 from a line like `# R36 (release), REVISION: 3.0, GCID: ...`."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"R(\d+)\b.*?REVISION:\s*([0-9.]+)", text)
    return "%s.%s" % found.groups() if found else ""


def _power_mode() -> str:
    program = shutil.which("nvpmodel") or shutil.which("/usr/sbin/nvpmodel")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, "-q"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_MODE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"^NV Power Mode:[ \t]*(\S.*)$", done.stdout.decode("utf-8", "replace"), re.M)
    return found.group(1).strip() if found else ""
